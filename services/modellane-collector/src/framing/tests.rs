use super::*;

/// Frames a payload whole, and again through windows of every small size; both must agree.
fn frames(payload: &[u8]) -> Vec<Result<Vec<u8>, Fault>> {
    let whole = windowed(payload, payload.len().max(1));
    for size in [1, 2, 3, 7, 64] {
        assert_eq!(windowed(payload, size), whole, "window of {size}");
    }
    whole
}

fn windowed(payload: &[u8], size: usize) -> Vec<Result<Vec<u8>, Fault>> {
    let mut framer = Framer::new(&["data", "rows"]);
    let (mut window, mut found, mut chunks) = (Vec::new(), Vec::new(), payload.chunks(size));
    let mut last = false;
    loop {
        match framer.step(&window, last) {
            Step::Record(record) => found.push(Ok(record.to_vec())),
            Step::Broken(fault, _) => found.push(Err(fault)),
            Step::End => return found,
            Step::NeedMore => {
                window.drain(..framer.position());
                framer.dropped();
                match chunks.next() {
                    Some(chunk) => window.extend_from_slice(chunk),
                    None => last = true,
                }
            }
        }
    }
}

fn record(text: &str) -> Result<Vec<u8>, Fault> {
    Ok(text.as_bytes().to_vec())
}

#[test]
fn every_container_gives_the_same_records() {
    let expected = vec![record(r#"{"a":1}"#), record(r#"{"b":"]},{"}"#)];
    for payload in [
        "{\"a\":1}\n{\"b\":\"]},{\"}\n",
        "{\"a\":1}\r\n{\"b\":\"]},{\"}",
        "\u{feff}{\"a\":1}{\"b\":\"]},{\"}",
        "[{\"a\":1},{\"b\":\"]},{\"}]",
        "{\"total\":2,\"x\":{\"data\":[1]},\"data\":[\n{\"a\":1},\n{\"b\":\"]},{\"}\n],\"page\":[1]}",
        "{\"rows\": [{\"a\":1}]}\n{\"rows\": [{\"b\":\"]},{\"}]}",
    ] {
        assert_eq!(frames(payload.as_bytes()), expected, "{payload}");
    }
}

#[test]
fn a_pretty_printed_object_is_one_record() {
    let payload = "{\n \"a\": 1,\n \"b\": {\n  \"c\": 2\n }\n}\n";
    assert_eq!(frames(payload.as_bytes()), vec![record(payload.trim())]);
}

#[test]
fn a_broken_line_costs_only_itself() {
    for broken in ["{\"a\":\"x", "{\"a\":{", "{\"a\":1"] {
        let payload = format!("{{\"n\":1}}\n{broken}\n{{\"n\":2}}\n");
        assert_eq!(
            frames(payload.as_bytes()),
            vec![record("{\"n\":1}"), Err(Fault::Truncated), record("{\"n\":2}")],
            "{broken}"
        );
    }
    assert_eq!(frames(b"{\"n\":1}\noops\n{\"n\":2}")[1], Err(Fault::Malformed));
    assert_eq!(
        frames(b"[{\"n\":1},7,{\"n\":2}]"),
        vec![record("{\"n\":1}"), Err(Fault::Malformed), record("{\"n\":2}")]
    );
}

#[test]
fn a_line_cut_at_any_byte_costs_only_itself() {
    let whole = r#"{"a":1,"tags":["x","y,"],"m":{"data":"[","k":[{"z":1},{"z":2}],"l":null},"n":9}"#;
    let good = [r#"{"n":1,"t":["[",2]}"#, r#"{"n":2}"#];
    for end in 1..whole.len() {
        for gap in ["\n", "\r\n", "\n\n"] {
            let payload = format!("{}{gap}{}\n{}\n{}", &whole[..end], good[0], good[1], good[0]);
            let expected = vec![Err(Fault::Truncated), record(good[0]), record(good[1]), record(good[0])];
            assert_eq!(frames(payload.as_bytes()), expected, "cut at {end} before {gap:?}");
        }
        let last = format!("{}\n{}\n", &whole[..end], good[1]);
        assert_eq!(frames(last.as_bytes()), vec![Err(Fault::Truncated), record(good[1])], "cut at {end}");
    }
}

/// Within an array of its own an element may go on with objects, so nobody can tell that it does not.
#[test]
fn an_element_cut_at_any_byte_costs_only_itself() {
    let whole = r#"{"a":1,"m":{"data":"[","l":null},"n":9}"#;
    let (one, two) = (r#"{"n":1,"t":["[",2]}"#, r#"{"n":2}"#);
    let expected = vec![record(one), Err(Fault::Truncated), record(two), record(one)];
    for cut in (1..whole.len()).map(|end| &whole[..end]) {
        for (open, close) in [("[", "]"), ("{\"total\":4,\"data\":[", "],\"page\":1}")] {
            for comma in ["", ","] {
                let payload = format!("{open}\n{one},\n{cut}{comma}\n{two},\n{one}\n{close}\n");
                assert_eq!(frames(payload.as_bytes()), expected, "{payload}");
            }
        }
    }
}

#[test]
fn brackets_that_nothing_closes_cost_their_line() {
    let bomb = "[".repeat(200_000);
    let payload = format!("{{\"n\":1}}\n{bomb}\n{{\"n\":2}}\n");
    let found = windowed(payload.as_bytes(), payload.len());
    assert_eq!(found[..3], [record("{\"n\":1}"), Err(Fault::Truncated), record("{\"n\":2}")]);
    let found = windowed(&payload.as_bytes()[8..], payload.len());
    assert_eq!(found[..2], [Err(Fault::Truncated), record("{\"n\":2}")]);
}

#[test]
fn an_object_may_go_on_with_an_object_on_the_next_line() {
    for payload in [
        "{\"k\":[\n{\"z\":1},\n{\"z\":2}\n],\"n\":1}",
        "{\"k\":[{\"z\":1},\n{\"z\":2}]}",
        "{\"m\":\n{\"z\":1}\n}",
    ] {
        let payload = format!("{payload}\n{{\"n\":2}}\n");
        let (first, _) = payload.trim_end().rsplit_once('\n').unwrap();
        assert_eq!(frames(payload.as_bytes()), vec![record(first), record("{\"n\":2}")]);
    }
}

#[test]
fn every_record_has_the_line_on_which_it_starts() {
    let long = "x".repeat(MAX_RECORD + 1);
    for (payload, expected) in [
        ("{\"a\":1}\n{\"a\":2\n\n{\"a\":3}\noops\n{\"a\":4}".to_owned(), vec![1, 2, 4, 5, 6]),
        ("\u{feff}{\"t\":2,\r\n\"data\":[\r\n{\"a\":\r\n1},{\"a\":2},\r\n7\r\n]}".to_owned(), vec![3, 4, 5]),
        (format!("\n{{\"a\":\"{long}\"}}\n\n{long}\n{{\"a\":1}}\n"), vec![2, 4, 5]),
    ] {
        for size in [1 << 20, if payload.len() < 100 { 1 } else { 1 << 16 }] {
            let (mut framer, mut window, mut lines) = (Framer::new(&["data"]), Vec::new(), Vec::new());
            let mut chunks = payload.as_bytes().chunks(size);
            let mut last = false;
            loop {
                match framer.step(&window, last) {
                    Step::End => break,
                    Step::NeedMore => {
                        window.drain(..framer.position());
                        framer.dropped();
                        let chunk = chunks.next();
                        last = chunk.is_none();
                        window.extend_from_slice(chunk.unwrap_or_default());
                    }
                    Step::Record(_) | Step::Broken(..) => lines.push(framer.line()),
                }
            }
            assert_eq!(lines, expected, "window of {size}");
        }
    }
}

#[test]
fn objects_are_told_apart() {
    let found = |payload: &'static str| objects(payload.as_bytes()).map(<[u8]>::len).collect::<Vec<_>>();
    assert_eq!(found("\u{feff} {\"a\":\"}\"}\n{} {\"b\":[{}"), [9, 2, 8]);
    assert_eq!(found("[{}]"), [] as [usize; 0]);
}

#[test]
fn a_cut_at_any_byte_keeps_the_records_before_it() {
    for payload in
        [&b"{\"data\":[{\"a\":1},{\"a\":\"\\\"\"}],\"p\":{}}"[..], b"{\"a\":1}\n{\"a\":\"\\\"\"}\n"]
    {
        let whole: Vec<_> = frames(payload);
        for cut in 0..payload.len() {
            let found = frames(&payload[..cut]);
            let good: Vec<_> = found.iter().filter(|frame| frame.is_ok()).cloned().collect();
            assert!(whole.starts_with(&good), "cut at {cut}");
        }
    }
    assert_eq!(frames(b"{\"data\":[{\"a\":1}"), vec![record("{\"a\":1}"), Err(Fault::Truncated)]);
}

#[test]
fn an_oversized_or_bottomless_record_is_passed_over() {
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(MAX_RECORD + 1));
    let payload = format!("[{{\"n\":1}},{long},{{\"n\":2}}]");
    let expected = vec![record("{\"n\":1}"), Err(Fault::TooLarge), record("{\"n\":2}")];
    assert_eq!(windowed(payload.as_bytes(), 1 << 20), expected);
    let lines = format!("{{\"n\":1}}\n{long}\n{{\"n\":2}}");
    assert_eq!(windowed(lines.as_bytes(), 1 << 20), expected);
    let garbage = format!("{{\"n\":1}}\n{}\n{{\"n\":2}}", "x".repeat(3 * MAX_RECORD));
    assert_eq!(windowed(garbage.as_bytes(), 1 << 20), expected);

    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(100), "]".repeat(100));
    let expected = vec![record("{\"n\":1}"), Err(Fault::TooDeep), record("{\"n\":2}")];
    assert_eq!(frames(format!("[{{\"n\":1}},{deep},{{\"n\":2}}]").as_bytes()), expected);
    assert_eq!(frames(format!("{{\"n\":1}}\n{deep}\n{{\"n\":2}}").as_bytes()), expected);
    let bomb = "{\"a\":".repeat(500_000);
    assert_eq!(windowed(bomb.as_bytes(), 1 << 20), vec![Err(Fault::Truncated)]);
}

#[test]
fn fields_around_the_records_are_found() {
    let payload = br#"{"data":[{"period":1}],"period":{"start":"}","n":[1]},"page":2}"#;
    assert_eq!(outer_field(payload, "period"), Some(&br#"{"start":"}","n":[1]}"#[..]));
    assert_eq!(outer_field(payload, "page"), Some(&b"2"[..]));
    assert_eq!(outer_field(payload, "none"), None);
    assert_eq!(outer_field(&payload[..40], "period"), None);
}
