/* A disk that fails, and a record of what a disk was given: put before libc by LD_PRELOAD.
 *
 *   CRYSTALSTORE_FAULT=kind:number:error:text[:always]
 *       The number-th call (from 1) of this kind on a file whose path has this text fails: fsync (and
 *       fdatasync), pwrite (every way of writing), ftruncate, unlink. Once, or from then on.
 *   CRYSTALSTORE_WRITE_LOG=path, CRYSTALSTORE_WRITE_LOG_OF=folder
 *       Appends every write, truncation, sync and deletion in the folder to a log.
 *
 * A record of the log: kind (1 byte: w, t, s, u), length of the path (4), offset (8), length of the
 * bytes (8), the path, the bytes; numbers in the machine's own order.
 *
 * A call and its record are one step for all threads, so that the record's order is the disk's. No sync
 * goes to the real disk: what counts is what the program was told, and tests are faster so.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static pthread_mutex_t step = PTHREAD_MUTEX_INITIALIZER;

static struct {
    char kind[16], text[PATH_MAX];
    long number, seen;
    int error, always;
} fault;

static int log_file = -1;
static char log_folder[PATH_MAX];

static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_writev)(int, const struct iovec *, int);
static int (*real_ftruncate)(int, off_t);
static int (*real_unlink)(const char *);

/* What cannot be understood ends the program: a fault that never comes would be a test of nothing. */
static void refuse(const char *what) {
    fprintf(stderr, "faults.c: %s\n", what);
    _exit(99);
}

__attribute__((constructor)) static void begin(void) {
    real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    real_write = dlsym(RTLD_NEXT, "write");
    real_writev = dlsym(RTLD_NEXT, "writev");
    real_ftruncate = dlsym(RTLD_NEXT, "ftruncate64");
    real_unlink = dlsym(RTLD_NEXT, "unlink");
    const char *wanted = getenv("CRYSTALSTORE_FAULT");
    if (wanted) {
        char error[16] = "", always[16] = "";
        int read = sscanf(wanted, "%15[^:]:%ld:%15[^:]:%4095[^:]:%15s", fault.kind, &fault.number, error,
                          fault.text, always);
        if (read < 4) refuse("CRYSTALSTORE_FAULT has too few parts");
        fault.error = !strcmp(error, "EIO") ? EIO : !strcmp(error, "ENOSPC") ? ENOSPC : 0;
        if (!fault.error) refuse("CRYSTALSTORE_FAULT has an unknown error");
        fault.always = !strcmp(always, "always");
    }
    const char *path = getenv("CRYSTALSTORE_WRITE_LOG"), *folder = getenv("CRYSTALSTORE_WRITE_LOG_OF");
    if (path && folder) {
        snprintf(log_folder, sizeof log_folder, "%s/", folder);
        log_file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (log_file < 0) refuse("the log cannot be opened");
    }
}

static void path_of(int file, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    path[length < 0 ? 0 : length] = 0;
}

static int fails(const char *kind, const char *path) {
    if (!fault.number || strcmp(kind, fault.kind) || !strstr(path, fault.text)) return 0;
    fault.seen++;
    return fault.always ? fault.seen >= fault.number : fault.seen == fault.number;
}

static void all(const void *bytes, size_t length) {
    while (length) {
        ssize_t written = real_write(log_file, bytes, length);
        if (written < 0) refuse("the log cannot be written");
        bytes = (const char *)bytes + written;
        length -= (size_t)written;
    }
}

static void record(char kind, const char *path, uint64_t offset, const void *bytes, uint64_t length) {
    size_t folder = strlen(log_folder);
    if (log_file < 0) return;
    /* The folder itself is synced too, for the names in it. */
    if (strncmp(path, log_folder, folder) && strncmp(path, log_folder, folder - 1)) return;
    uint32_t path_length = (uint32_t)strlen(path);
    all(&kind, 1);
    all(&path_length, 4);
    all(&offset, 8);
    all(&length, 8);
    all(path, path_length);
    if (bytes) all(bytes, length);
}

/* Where to write, with offset -1 for where the descriptor stands. */
static ssize_t put(int file, const void *bytes, size_t length, off_t offset) {
    char path[PATH_MAX];
    int before = errno;
    path_of(file, path);
    pthread_mutex_lock(&step);
    ssize_t written;
    off_t at = offset >= 0 ? offset : lseek(file, 0, SEEK_CUR);
    errno = before;
    int failed = fails("pwrite", path);
    /* Half of it may have come to the disk. */
    if (failed) length /= 2;
    written = offset >= 0 ? real_pwrite(file, bytes, length, offset) : real_write(file, bytes, length);
    if (written > 0) record('w', path, (uint64_t)at, bytes, (uint64_t)written);
    pthread_mutex_unlock(&step);
    if (failed) {
        errno = fault.error;
        return -1;
    }
    return written;
}

ssize_t pwrite64(int file, const void *bytes, size_t length, off_t offset) {
    return put(file, bytes, length, offset);
}

ssize_t pwrite(int file, const void *bytes, size_t length, off_t offset) {
    return put(file, bytes, length, offset);
}

ssize_t write(int file, const void *bytes, size_t length) {
    /* What is said to the parent is no file, and may be said in any state. */
    return file <= 2 ? real_write(file, bytes, length) : put(file, bytes, length, -1);
}

ssize_t writev(int file, const struct iovec *parts, int count) {
    /* A short write is what the caller must be ready for in any case. */
    if (file <= 2 || count < 1) return real_writev(file, parts, count);
    return put(file, parts[0].iov_base, parts[0].iov_len, -1);
}

int ftruncate64(int file, off_t length) {
    char path[PATH_MAX];
    path_of(file, path);
    pthread_mutex_lock(&step);
    int failed = fails("ftruncate", path);
    int outcome = failed ? -1 : real_ftruncate(file, length);
    if (!outcome) record('t', path, (uint64_t)length, NULL, 0);
    pthread_mutex_unlock(&step);
    if (failed) errno = fault.error;
    return outcome;
}

int ftruncate(int file, off_t length) {
    return ftruncate64(file, length);
}

int fsync(int file) {
    char path[PATH_MAX];
    path_of(file, path);
    pthread_mutex_lock(&step);
    int failed = fails("fsync", path);
    if (!failed) record('s', path, 0, NULL, 0);
    pthread_mutex_unlock(&step);
    if (failed) errno = fault.error;
    return failed ? -1 : 0;
}

int fdatasync(int file) {
    return fsync(file);
}

int unlink(const char *path) {
    pthread_mutex_lock(&step);
    int failed = fails("unlink", path);
    int outcome = failed ? -1 : real_unlink(path);
    if (!outcome) record('u', path, 0, NULL, 0);
    pthread_mutex_unlock(&step);
    if (failed) errno = fault.error;
    return outcome;
}
