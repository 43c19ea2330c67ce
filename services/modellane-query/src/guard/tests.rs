use super::*;
use datafusion_postgres::datafusion_pg_catalog::sql::PostgresCompatibilityParser;

fn code(sql: &str) -> Result<Kind, &'static str> {
    let statements = PostgresCompatibilityParser::new().parse(sql).map_err(|_| "42601")?;
    let mut kind = Err("empty");
    for statement in &statements {
        kind = Ok(check(statement).map_err(|error| error.sqlstate())?);
    }
    kind
}

#[test]
fn reads_are_admitted() {
    for sql in [
        "SELECT 1",
        "WITH t AS (SELECT 1 AS x) SELECT x FROM t UNION ALL VALUES (2)",
        "VALUES (1)",
        "EXPLAIN SELECT 1",
        "EXPLAIN ANALYZE SELECT 1",
    ] {
        assert_eq!(code(sql), Ok(Kind::Read), "{sql}");
    }
    assert_eq!(code("DECLARE c CURSOR FOR SELECT 1"), Ok(Kind::Cursor));
    assert_eq!(code("FETCH 10 FROM c"), Ok(Kind::Cursor));
    assert_eq!(code("BEGIN READ ONLY"), Ok(Kind::Transaction));
    assert_eq!(code("DISCARD ALL"), Ok(Kind::Forget));
    assert_eq!(code("SHOW server_version"), Ok(Kind::Show));
}

#[test]
fn writes_are_refused_as_postgresql_refuses_them() {
    for sql in [
        "INSERT INTO usage VALUES (1)",
        "UPDATE usage SET tool = 'x'",
        "DELETE FROM usage",
        "TRUNCATE usage",
        "CREATE TABLE t (x INT)",
        "CREATE VIEW v AS SELECT 1",
        "DROP VIEW usage",
        "ALTER TABLE usage ADD COLUMN x INT",
        "SELECT 1 INTO t",
        "WITH gone AS (DELETE FROM usage RETURNING *) SELECT * FROM gone",
        "SELECT * FROM usage FOR UPDATE",
        "EXPLAIN INSERT INTO usage VALUES (1)",
        "EXPLAIN ANALYZE DELETE FROM usage",
        "COPY usage FROM '/etc/passwd'",
        "BEGIN READ WRITE",
        "SELECT 1; DROP VIEW usage",
    ] {
        assert_eq!(code(sql), Err("25006"), "{sql}");
    }
}

#[test]
fn ways_to_files_and_code_are_refused() {
    for sql in ["COPY usage TO '/tmp/x'", "COPY (SELECT 1) TO PROGRAM 'sh'"] {
        assert_eq!(code(sql), Err("42501"), "{sql}");
    }
    for sql in ["PREPARE p AS DELETE FROM usage", "PREPARE p AS SELECT 1", "SAVEPOINT s"] {
        assert_eq!(code(sql), Err("0A000"), "{sql}");
    }
    for sql in [
        "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'",
        "DECLARE c CURSOR FOR DELETE FROM usage",
        "LOAD 'x.so'",
        "CALL f()",
        "VACUUM",
        "DO $$ BEGIN END $$",
    ] {
        assert!(code(sql).is_err(), "{sql}");
    }
}
