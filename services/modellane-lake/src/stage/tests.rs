use super::*;

#[test]
fn the_span_in_the_log_holds_every_time() {
    let micros = UtcTime::parse("2026-11-09T10:00:00.123456Z").unwrap().micros();
    assert_eq!(log_time(micros, 0), "2026-11-09T10:00:00.123Z");
    assert_eq!(log_time(micros, 999), "2026-11-09T10:00:00.124Z");
    let whole = UtcTime::parse("2026-11-09T10:00:00Z").unwrap().micros();
    assert_eq!(log_time(whole, 0), "2026-11-09T10:00:00.000Z");
    assert_eq!(log_time(whole, 999), "2026-11-09T10:00:00.000Z");
}
