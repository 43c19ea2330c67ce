//! Real clients on the wire: a driver, and psql where it is installed.

use crate::testing::{TestLake, config};
use crate::{QueryConfig, Running, serve};
use modellane_runtime::{Metrics, Shutdown};
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

async fn start(lake: &TestLake, config: QueryConfig) -> (Running, Shutdown) {
    let shutdown = Shutdown::new();
    let running = serve(config, lake.config(), Metrics::new(), shutdown.clone()).await.unwrap();
    (running, shutdown)
}

async fn connect(running: &Running) -> Client {
    let address = format!("host=127.0.0.1 port={} user=ana dbname=modellane", running.pg_address.port());
    let (client, connection) = tokio_postgres::connect(&address, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Values of the first column, by the simple protocol.
async fn simple(client: &Client, sql: &str) -> Result<Vec<String>, String> {
    let messages = client.simple_query(sql).await.map_err(|error| code(&error))?;
    Ok(messages
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or("-").to_owned()),
            _ => None,
        })
        .collect())
}

/// Values of the first column, which is text, by the extended protocol.
async fn extended(client: &Client, sql: &str) -> Result<Vec<String>, String> {
    let rows = client.query(sql, &[]).await.map_err(|error| code(&error))?;
    Ok(rows.iter().map(|row| row.get::<_, Option<String>>(0).unwrap_or("-".to_owned())).collect())
}

fn code(error: &tokio_postgres::Error) -> String {
    error.code().map_or_else(|| error.to_string(), |code| code.code().to_owned())
}

#[tokio::test]
async fn both_protocols_answer_with_exact_decimals() {
    let lake = TestLake::filled().await;
    let (running, _shutdown) = start(&lake, config()).await;
    let client = connect(&running).await;
    let sum = "SELECT SUM(effective_cost) FROM usage WHERE currency = 'USD'";
    assert_eq!(simple(&client, sum).await.unwrap(), ["28.600000000"]);
    let text = "SELECT CAST(SUM(effective_cost) AS VARCHAR) FROM usage WHERE currency = 'USD'";
    assert_eq!(extended(&client, text).await.unwrap(), ["28.600000000"]);
    let row = client
        .query_one("SELECT COUNT(*) FROM usage WHERE currency = $1 AND team = $2", &[&"USD", &"payments"])
        .await
        .unwrap();
    assert_eq!(row.get::<_, i64>(0), 6);
    let when = simple(&client, "SELECT period_start FROM usage WHERE revision = 2").await.unwrap();
    assert!(when[0].starts_with("2026-11-05 09:00:00"), "{when:?}");
}

#[tokio::test]
async fn the_server_introduces_itself_as_drivers_expect() {
    let lake = TestLake::empty();
    let (running, _shutdown) = start(&lake, config()).await;
    let client = connect(&running).await;
    // SQLAlchemy reads `(?:PostgreSQL|EnterpriseDB) (\d+)\.?(\d+)?…` from the start of the text.
    let version = &extended(&client, "SELECT version()").await.unwrap()[0];
    assert!(version.starts_with("PostgreSQL 16.6 (ModelLane "), "{version}");
    assert_eq!(simple(&client, "SELECT pg_catalog.version()").await.unwrap(), std::slice::from_ref(version));
    assert_eq!(simple(&client, "SELECT current_schema()").await.unwrap(), ["public"]);
    assert_eq!(simple(&client, "SELECT current_database()").await.unwrap(), ["modellane"]);
    assert_eq!(simple(&client, "SHOW default_transaction_read_only").await.unwrap(), ["on"]);
    assert_eq!(simple(&client, "SHOW is_superuser").await.unwrap(), ["off"]);
    assert_eq!(simple(&client, "SHOW TIME ZONE").await.unwrap(), ["UTC"]);
    assert_eq!(simple(&client, "SHOW TRANSACTION ISOLATION LEVEL").await.unwrap(), ["repeatable read"]);
    assert_eq!(simple(&client, "SHOW nonsense").await, Err("42704".to_owned()));
    let views = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1";
    let views = extended(&client, views).await.unwrap();
    assert!(
        ["adherence", "spend", "usage", "usage_ledger"]
            .iter()
            .all(|name| views.iter().any(|view| view == name))
    );
    let relations = "SELECT relname FROM pg_catalog.pg_class WHERE relname = 'spend'";
    assert_eq!(simple(&client, relations).await.unwrap(), ["spend"]);
}

#[tokio::test]
async fn nothing_but_reads_passes_on_either_protocol() {
    let lake = TestLake::filled().await;
    let (running, _shutdown) = start(&lake, config()).await;
    let client = connect(&running).await;
    let escape = std::env::temp_dir().join(format!("modellane-escape-{}", std::process::id()));
    let refused = [
        ("INSERT INTO usage VALUES (1)".to_owned(), "25006"),
        ("UPDATE usage SET tool = 'x'".to_owned(), "25006"),
        ("DELETE FROM usage".to_owned(), "25006"),
        ("CREATE TABLE t (x INT)".to_owned(), "25006"),
        ("CREATE VIEW v AS SELECT 1".to_owned(), "25006"),
        ("SELECT 1 INTO t".to_owned(), "25006"),
        ("EXPLAIN DELETE FROM usage".to_owned(), "25006"),
        ("EXPLAIN ANALYZE INSERT INTO usage VALUES (1)".to_owned(), "25006"),
        ("BEGIN READ WRITE".to_owned(), "25006"),
        ("SET default_transaction_read_only = off".to_owned(), "22023"),
        (format!("COPY usage TO '{}'", escape.display()), "42501"),
        (format!("COPY (SELECT 1) TO '{}'", escape.display()), "42501"),
        ("COPY (SELECT 1) TO STDOUT".to_owned(), "0A000"),
        ("SET datafusion.runtime.memory_limit = '1M'".to_owned(), "42501"),
        ("SET datafusion.catalog.information_schema = false".to_owned(), "42501"),
        ("SET ROLE admin".to_owned(), "42501"),
        ("SET timezone = 'Europe/Berlin'".to_owned(), "22023"),
        ("PREPARE p AS SELECT 1".to_owned(), "0A000"),
        ("SELECT * FROM '/etc/passwd'".to_owned(), "42P01"),
        ("SELECT * FROM raw.usage_ledger".to_owned(), "42P01"),
    ];
    for (sql, expected) in &refused {
        assert_eq!(simple(&client, sql).await, Err((*expected).to_owned()), "simple: {sql}");
        assert_eq!(extended(&client, sql).await, Err((*expected).to_owned()), "extended: {sql}");
    }
    for sql in [
        format!("CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '{}'", escape.display()),
        format!("DECLARE c CURSOR FOR COPY (SELECT 1) TO '{}'", escape.display()),
        "DECLARE c CURSOR FOR DELETE FROM usage".to_owned(),
        "SELECT 1; DELETE FROM usage".to_owned(),
        "SELECT * FROM read_csv('/etc/passwd')".to_owned(),
    ] {
        assert!(simple(&client, &sql).await.is_err(), "simple: {sql}");
        assert!(extended(&client, &sql).await.is_err(), "extended: {sql}");
    }
    assert!(!escape.exists());
    assert_eq!(extended(&client, "SELECT 'a'; SELECT 'b'").await, Err("42601".to_owned()));
    // The connection still answers, and nothing changed.
    assert_eq!(simple(&client, "SELECT COUNT(*) FROM usage").await.unwrap(), ["8"]);
}

#[tokio::test]
async fn errors_carry_the_code_that_clients_look_at() {
    let lake = TestLake::filled().await;
    let (running, _shutdown) = start(&lake, config()).await;
    let client = connect(&running).await;
    for (sql, expected) in [
        ("SELEC 1", "42601"),
        ("SELECT nonsense FROM usage", "42703"),
        ("SELECT * FROM nonsense", "42P01"),
        ("SELECT nonsense(1)", "42883"),
        ("SELECT 1 / (revision - revision) FROM usage", "22012"),
        ("SELECT CAST(source AS INT) FROM usage", "22P02"),
    ] {
        assert_eq!(simple(&client, sql).await, Err(expected.to_owned()), "{sql}");
    }
}

#[tokio::test]
async fn a_transaction_keeps_its_snapshot_and_an_aborted_one_waits_for_its_end() {
    let lake = TestLake::empty();
    lake.commit_first().await;
    let (running, _shutdown) = start(&lake, config()).await;
    let client = connect(&running).await;
    let count = "SELECT COUNT(*) FROM usage_ledger";
    simple(&client, "BEGIN").await.unwrap();
    assert_eq!(simple(&client, count).await.unwrap(), ["9"]);
    lake.commit_second().await;
    running.query.refresh_now().await.unwrap();
    assert_eq!(simple(&client, count).await.unwrap(), ["9"]);
    simple(&client, "COMMIT").await.unwrap();
    assert_eq!(simple(&client, count).await.unwrap(), ["12"]);

    simple(&client, "BEGIN").await.unwrap();
    assert!(simple(&client, "SELECT nonsense FROM usage").await.is_err());
    assert_eq!(simple(&client, count).await, Err("25P02".to_owned()));
    simple(&client, "ROLLBACK").await.unwrap();
    assert_eq!(simple(&client, count).await.unwrap(), ["12"]);
}

#[tokio::test]
async fn a_prepared_statement_sees_what_came_after_it() {
    let lake = TestLake::empty();
    lake.commit_first().await;
    let (running, _shutdown) = start(&lake, config()).await;
    let client = connect(&running).await;
    let statement = client.prepare("SELECT COUNT(*) FROM usage_ledger").await.unwrap();
    assert_eq!(client.query_one(&statement, &[]).await.unwrap().get::<_, i64>(0), 9);
    lake.commit_second().await;
    running.query.refresh_now().await.unwrap();
    assert_eq!(client.query_one(&statement, &[]).await.unwrap().get::<_, i64>(0), 12);
}

#[tokio::test]
async fn a_setting_stays_in_its_connection_and_limits_hold() {
    let lake = TestLake::filled().await;
    let limits = QueryConfig { max_rows: 7, ..config() };
    let (running, _shutdown) = start(&lake, limits).await;
    let (one, other) = (connect(&running).await, connect(&running).await);
    simple(&one, "SET statement_timeout = '50ms'").await.unwrap();
    assert_eq!(simple(&one, "SHOW statement_timeout").await.unwrap(), ["50ms"]);
    assert_eq!(simple(&other, "SHOW statement_timeout").await.unwrap(), ["0"]);
    let endless = "SELECT COUNT(*) FROM generate_series(1, 10000000) a, generate_series(1, 10000000) b";
    assert_eq!(simple(&one, endless).await, Err("57014".to_owned()));
    assert_eq!(simple(&other, "SELECT event_id FROM usage").await, Err("54000".to_owned()));
    simple(&one, "DISCARD ALL").await.unwrap();
    assert_eq!(simple(&one, "SHOW statement_timeout").await.unwrap(), ["0"]);
}

#[tokio::test]
async fn a_running_statement_can_be_canceled() {
    let lake = TestLake::empty();
    let (running, _shutdown) = start(&lake, config()).await;
    let client = connect(&running).await;
    let token = client.cancel_token();
    let cancel = async {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        token.cancel_query(NoTls).await.unwrap();
    };
    let endless = "SELECT COUNT(*) FROM generate_series(1, 10000000) a, generate_series(1, 10000000) b";
    let (result, ()) = tokio::join!(client.simple_query(endless), cancel);
    // The timeout has the same code, so the words tell.
    let error = result.unwrap_err();
    let error = error.as_db_error().unwrap();
    assert_eq!((error.code().code(), error.message()), ("57014", "canceling statement due to user request"));
    assert_eq!(simple(&client, "SELECT 1").await.unwrap(), ["1"]);
}

#[tokio::test]
async fn cursors_read_forward() {
    let lake = TestLake::filled().await;
    let (running, _shutdown) = start(&lake, config()).await;
    let client = connect(&running).await;
    simple(&client, "BEGIN").await.unwrap();
    simple(&client, "DECLARE c CURSOR FOR SELECT substr(event_id, 1, 2) FROM usage ORDER BY 1")
        .await
        .unwrap();
    assert_eq!(simple(&client, "FETCH 2 FROM c").await.unwrap(), ["01", "02"]);
    assert_eq!(simple(&client, "FETCH ALL FROM c").await.unwrap().len(), 6);
    simple(&client, "CLOSE c").await.unwrap();
    simple(&client, "COMMIT").await.unwrap();
}

#[tokio::test]
async fn psql_connects_and_describes() {
    let Ok(found) = tokio::process::Command::new("psql").arg("--version").output().await else {
        eprintln!("skipped: psql is not installed");
        return;
    };
    assert!(found.status.success());
    let lake = TestLake::filled().await;
    let (running, _shutdown) = start(&lake, config()).await;
    let port = running.pg_address.port().to_string();
    let psql = async |command: &str| {
        let output = tokio::process::Command::new("psql")
            .args(["-h", "127.0.0.1", "-p", &port, "-U", "ana", "-X", "-A", "-t", "-c", command, "modellane"])
            .output()
            .await
            .unwrap();
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(
        psql("SELECT SUM(cost_sign * effective_cost) FROM usage_ledger WHERE currency = 'USD'").await,
        "28.600000000\n"
    );
    assert!(psql("\\dt").await.contains("usage_ledger"));
    assert!(psql("\\d").await.contains("adherence"));
    assert!(psql("\\dv").await.contains("spend_daily"));
    assert!(psql("\\d spend").await.contains("effective_cost"));
}
