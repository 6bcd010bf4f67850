//! `kill -9` at random moments of inserts, training runs and checkpoints: what was acknowledged is there
//! after the next start, nothing is there twice, and the weights read back whole.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tempfile::TempDir;

use crate::harness::{Connection, Server, count, create_lessons};

/// What clients were told had happened.
#[derive(Default)]
struct Acknowledged {
    /// Numbers inserted into `numbers`: all up to this one.
    inserted: AtomicU64,
    /// Versions of the adapter that were published.
    published: AtomicU64,
    /// The newest checkpoint that was asked for.
    checkpoint: AtomicU64,
    /// Tables created.
    tables: AtomicU64,
}

impl Acknowledged {
    /// Whether an insert and a version of the adapter were acknowledged.
    fn has_both(&self) -> bool {
        self.inserted.load(Ordering::SeqCst) > 0 && self.published.load(Ordering::SeqCst) > 0
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_acknowledged_survives_kill_9() {
    let kills = count("HYPRSTREAM_KILLS", 6, 60);
    let seed = count("HYPRSTREAM_KILL_SEED", 1, 1) as u64;
    let mut random = StdRng::seed_from_u64(seed);
    let acknowledged = Arc::new(Acknowledged::default());
    let mut directory = Arc::new(TempDir::new().expect("a temporary directory"));
    {
        let server = Server::start_in(directory).await;
        let connection = server.connect().await;
        create_lessons(&connection).await;
        connection.run("CREATE TABLE numbers (n BIGINT)").await;
        directory = server.kill();
    }
    let mut round = 0;
    // On a busy machine a few kills may all come before the first version is published; further ones then follow.
    while round < kills || round < 5 * kills && !acknowledged.has_both() {
        let server = Server::start_in(directory).await;
        check(&server.connect().await, &acknowledged, round).await;
        let work = [
            tokio::spawn(insert(server.connect().await, Arc::clone(&acknowledged))),
            tokio::spawn(train(server.connect().await, Arc::clone(&acknowledged))),
            tokio::spawn(checkpoint(server.connect().await, Arc::clone(&acknowledged))),
            tokio::spawn(create_tables(server.connect().await, Arc::clone(&acknowledged))),
        ];
        tokio::time::sleep(Duration::from_millis(random.random_range(20..2500))).await;
        directory = server.kill();
        for task in work {
            task.await.expect("a client fails only because its server is gone");
        }
        round += 1;
        if kills > 10 {
            println!("{round} of {kills} kills survived");
        }
    }
    let server = Server::start_in(directory).await;
    check(&server.connect().await, &acknowledged, round).await;
    let (inserted, published) =
        (acknowledged.inserted.load(Ordering::SeqCst), acknowledged.published.load(Ordering::SeqCst));
    println!("{round} kills, {inserted} inserts and {published} adapter versions acknowledged (seed {seed})");
    assert!(acknowledged.has_both(), "nothing was acknowledged, so nothing was proved");
}

/// Inserts one number after another until the server is gone.
async fn insert(connection: Connection, acknowledged: Arc<Acknowledged>) {
    let start = connection.try_rows("SELECT coalesce(max(n), 0) FROM numbers").await;
    let Ok(rows) = start else { return };
    let mut next: u64 = rows[0][0].as_deref().expect("a number").parse().expect("a number");
    loop {
        next += 1;
        if connection.try_rows(&format!("INSERT INTO numbers VALUES ({next})")).await.is_err() {
            return;
        }
        acknowledged.inserted.fetch_max(next, Ordering::SeqCst);
    }
}

/// Trains one version after another until the server is gone.
async fn train(connection: Connection, acknowledged: Arc<Acknowledged>) {
    loop {
        let call = "CALL train_adapter(name => 'words', \
                    training_data_query => 'SELECT prompt, completion FROM lessons', \
                    r => 4, epochs => 3, batch_size => 4, seed => 5)";
        if connection.try_rows(call).await.is_err() {
            return;
        }
        let version = connection.try_rows("SELECT max(version) FROM adapters WHERE name = 'words'").await;
        let Ok(rows) = version else { return };
        let version = rows[0][0].as_deref().expect("a version").parse().expect("a number");
        acknowledged.published.fetch_max(version, Ordering::SeqCst);
    }
}

/// Takes one checkpoint after another, of the run or of the newest version, until the server is gone.
async fn checkpoint(connection: Connection, acknowledged: Arc<Acknowledged>) {
    loop {
        match connection.try_rows("CALL checkpoint_adapter(name => 'words')").await {
            Ok(rows) => {
                let id = rows[0][0].as_deref().expect("an id").parse().expect("a number");
                acknowledged.checkpoint.fetch_max(id, Ordering::SeqCst);
            }
            Err(error) if error.code == "-----" => return,
            // There is no such adapter yet.
            Err(_) => {}
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Creates small tables from queries until the server is gone.
async fn create_tables(connection: Connection, acknowledged: Arc<Acknowledged>) {
    let start = acknowledged.tables.load(Ordering::SeqCst);
    for next in start + 1.. {
        let sql =
            format!("CREATE TABLE IF NOT EXISTS t{next} AS SELECT value FROM generate_series(1, {next})");
        if connection.try_rows(&sql).await.is_err() {
            return;
        }
        acknowledged.tables.fetch_max(next, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Compares what is there with what was acknowledged.
async fn check(connection: &Connection, acknowledged: &Acknowledged, round: usize) {
    let inserted = acknowledged.inserted.load(Ordering::SeqCst);
    let row = connection.rows("SELECT count(*), count(DISTINCT n), coalesce(max(n), 0) FROM numbers").await;
    let numbers: Vec<u64> =
        row[0].iter().map(|cell| cell.as_deref().expect("a number").parse().expect("a number")).collect();
    assert!(
        numbers[0] == numbers[1] && numbers[1] == numbers[2],
        "round {round}: rows are lost or doubled: {row:?}"
    );
    assert!(
        numbers[2] == inserted || numbers[2] == inserted + 1,
        "round {round}: {inserted} inserts were acknowledged, {} are there",
        numbers[2]
    );
    acknowledged.inserted.fetch_max(numbers[2], Ordering::SeqCst);

    let published = acknowledged.published.load(Ordering::SeqCst);
    let versions =
        connection.rows("SELECT version FROM adapters WHERE name = 'words' ORDER BY version").await;
    let versions: Vec<u64> =
        versions.iter().map(|row| row[0].as_deref().expect("a version").parse().expect("a number")).collect();
    assert_eq!(versions, (1..=versions.len() as u64).collect::<Vec<_>>(), "round {round}");
    assert!(versions.len() as u64 >= published, "round {round}: version {published} is gone: {versions:?}");
    acknowledged.published.fetch_max(versions.len() as u64, Ordering::SeqCst);
    if let Some(newest) = versions.last() {
        let whole = connection
            .rows(&format!(
                "SELECT count(*) = (SELECT count(*) FROM adapter_weights('words@1')), \
                 bool_and(value = value AND abs(value) < 100) FROM adapter_weights('words@{newest}')"
            ))
            .await;
        assert_eq!(whole, [[Some("t".to_owned()), Some("t".to_owned())]], "round {round}");
        connection.run("SELECT generate('Hello', adapter => 'words', max_tokens => 2)").await;
    }
    let checkpoint = acknowledged.checkpoint.load(Ordering::SeqCst);
    if checkpoint > 0 {
        let kept = format!("SELECT count(*) FROM checkpoints WHERE id = {checkpoint} AND adapter = 'words'");
        assert_eq!(connection.value(&kept).await, "1", "round {round}: checkpoint {checkpoint} is gone");
    }
    for table in 1..=acknowledged.tables.load(Ordering::SeqCst) {
        let rows = connection.value(&format!("SELECT count(*) FROM t{table}")).await;
        assert_eq!(rows, table.to_string(), "round {round}");
    }
    let unfinished = "SELECT count(*) FROM training_runs WHERE status = 'running'";
    assert_eq!(
        connection.value(unfinished).await,
        "0",
        "round {round}: a run that was killed still claims to run"
    );
}
