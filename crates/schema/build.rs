//! Rebuilds the crate when a migration appears or vanishes, which cargo does not notice by itself.

fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
