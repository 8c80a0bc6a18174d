//! smoke
use store_core::*;
use store_sqlite::{CheckDepth, Options, prelude::*};
#[test]
fn smoke() -> Result<(), Box<dyn std::error::Error>> {
    let d = tempfile::tempdir()?;
    let t = std::time::Instant::now();
    let store = Options::new(d.path().join("project.db")).open()?;
    println!("fresh {:?}", t.elapsed());
    let t = std::time::Instant::now();
    let s2 = Options::new(d.path().join("project.db")).open()?;
    println!("again {:?}", t.elapsed());
    let new = NewJob::new("MgO bulk", Code::Crystal, Placement::Under(WorkDir::new("/scratch")?))
        .with_input(InputDeck::file("a.d12", "MgO")?);
    let j = store.create_job(&new)?;
    assert_eq!(j, s2.job(j.id)?);
    println!("{j:?}");
    store.change_status(j.id, &StatusChange::to(JobStatus::Queued))?;
    println!("{:?}", s2.jobs(&JobFilter::all(), Page::first(50)?)?);
    println!("{:?} {:?}", s2.history(j.id)?, s2.counts_by_status()?);
    println!("{:#?}", s2.stats()?);
    println!("{:?}", s2.check(CheckDepth::Full)?);
    s2.backup(&d.path().join("b.db"))?;
    println!("{:?}", s2.checkpoint()?);
    store.optimize()?;
    let t = std::time::Instant::now();
    for i in 0..5000 {
        let mut n = new.clone();
        n.name = format!("j{i}");
        store.create_job(&n)?;
    }
    println!("5000 creates {:?}", t.elapsed());
    let t = std::time::Instant::now();
    std::thread::scope(|s| {
        for k in 0..8 {
            let (store, new) = (store.clone(), new.clone());
            s.spawn(move || {
                for i in 0..2000 {
                    let mut n = new.clone();
                    n.name = format!("j{k}{i}");
                    store.create_job(&n).expect("x");
                }
            });
        }
    });
    println!("16000 creates 8 threads {:?}", t.elapsed());
    let t = std::time::Instant::now();
    for i in 0..20000 {
        store.job(JobId::new(i % 5000 + 1))?;
    }
    println!("20000 reads {:?}", t.elapsed());
    let t = std::time::Instant::now();
    for _ in 0..100 {
        store.jobs(&JobFilter::all(), Page::first(50)?)?;
    }
    println!("100 lists {:?}", t.elapsed());
    store.close()?;
    assert!(matches!(store.job(j.id), Err(Error::Closed)));
    println!(
        "{:?}",
        std::fs::read_dir(d.path())?.map(|e| e.expect("e").file_name()).collect::<Vec<_>>()
    );
    Ok(())
}
