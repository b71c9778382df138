use super::{Node, Number, Value, documents, resolve};

fn whole(value: i128, text: &str) -> Value {
    Value::Number(Number::Whole(value), text.into())
}

/// The values of a mapping, by their keys.
fn map(text: &str) -> Vec<(String, Value)> {
    let documents = documents(text).unwrap();
    let [
        Node {
            value: Value::Map(entries),
            ..
        },
    ] = documents.as_slice()
    else {
        panic!("{documents:?}");
    };
    let entries = entries.iter();
    entries
        .map(|entry| (entry.key.clone(), entry.value.value.clone()))
        .collect()
}

fn wrong(text: &str) -> String {
    let error = documents(text).unwrap_err();
    format!("{}: {}", error.line, error.problem)
}

#[test]
fn plain_scalars_are_what_yaml_1_1_says() {
    // As go-yaml v2 resolves them and JSON then has them.
    for (text, value) in [
        ("10", 10),
        ("+7", 7),
        ("-3", -3),
        ("010", 8),
        ("-010", -8),
        ("0o17", 15),
        ("0x1F", 31),
        ("0b101", 5),
        ("1_000", 1000),
        ("60.0", 60),
        ("60.", 60),
        ("1e3", 1000),
        ("08", 8),
        ("00", 0),
        ("0", 0),
        ("9223372036854775808", 1 << 63),
    ] {
        assert_eq!(resolve(text), whole(value, text), "{text}");
    }
    for (text, value) in [
        ("4.5", 4.5),
        (".5", 0.5),
        ("5e-2", 0.05),
        ("-0.1", -0.1),
        ("1e21", 1e21),
    ] {
        assert_eq!(
            resolve(text),
            Value::Number(Number::Float(value), text.into()),
            "{text}"
        );
    }
    for text in ["y", "Yes", "true", "TRUE", "on"] {
        assert_eq!(resolve(text), Value::Bool(true, text.into()));
    }
    for text in ["n", "NO", "False", "off"] {
        assert_eq!(resolve(text), Value::Bool(false, text.into()));
    }
    for text in ["", "~", "null", "NULL"] {
        assert_eq!(resolve(text), Value::Null, "{text}");
    }
    for text in [
        "yEs",
        "tRUE",
        "nil",
        "0x",
        "0b2",
        "0o8",
        "_1",
        "1e",
        "1.2.3",
        "12:30",
        "2026-01-02",
        "+",
        ".",
        "..",
        "50m",
        "64Mi",
        "1,5",
        "0.1m",
        "1e999",
        "NaN",
        "inf",
        "--1",
        "Infinity",
    ] {
        assert_eq!(resolve(text), Value::Text(text.into()), "{text}");
    }
}

#[test]
fn quotes_blocks_and_tags_make_text() {
    for text in [
        "a: '8080'",
        "a: \"8080\"",
        "a: !!str 8080",
        "a: |-\n  8080",
        "a: >-\n  8080",
        "a: ! 8080",
    ] {
        assert_eq!(
            map(text),
            [("a".into(), Value::Text("8080".into()))],
            "{text}"
        );
    }
    assert_eq!(map("a: !!int '4'"), [("a".into(), whole(4, "4"))]);
    assert!(wrong("a: 1\nb: !!int four").starts_with("2: "));
    assert!(wrong("a: .inf").contains("`.inf` is no number that JSON has"));
}

#[test]
fn keys_become_text() {
    let one = |key: &str| (key.to_owned(), whole(1, "1"));
    assert_eq!(
        map("yes: 1\n010: 1\n1.5: 1\n\"no\": 1"),
        ["true", "8", "1.5", "no"].map(one)
    );
    assert!(wrong("a: 1\n~: 1").starts_with("2: "));
    assert!(wrong("[a]: 1").contains("a key must be text"));
}

#[test]
fn a_key_stands_once_and_a_merge_stands_below_it() {
    assert_eq!(
        wrong("a: 1\nb: 2\na: 3"),
        "3: `a` is there twice in one mapping; keep one of them"
    );
    assert!(wrong("yes: 1\ntrue: 1").starts_with("2: `true` is there twice"));
    let merged = &map("base: &b { x: 1, y: 2 }\nout:\n  <<: *b\n  x: 3\n")[1].1;
    let Value::Map(entries) = merged else {
        panic!("{merged:?}")
    };
    let values: Vec<_> = entries
        .iter()
        .map(|e| (e.key.as_str(), e.value.value.clone()))
        .collect();
    assert_eq!(values, [("true", whole(2, "2")), ("x", whole(3, "3"))]);
    assert!(wrong("a:\n  <<: 3").starts_with("2: "));
    // What is not the plain `<<` is a key like others.
    assert_eq!(map("'<<': 1"), [("<<".into(), whole(1, "1"))]);
}

#[test]
fn empty_documents_are_passed_over() {
    let number = |text: &str| documents(text).unwrap().len();
    assert_eq!(number(""), 0);
    assert_eq!(number("---\n---\n# nothing\n"), 0);
    assert_eq!(number("---\na: 1\n---\n"), 1);
    assert_eq!(number("\u{feff}a: 1\r\n---\r\n# nothing"), 1);
    assert_eq!(number("a: 1\n---\nb: 1\n...\n"), 2);
    assert_eq!(number("{\n\t\"a\": [1,\n\t2]}"), 1);
    assert_eq!(documents("# a\n\n---\n\na: 1\n").unwrap()[0].line, 5);
}

#[test]
fn what_is_no_yaml_says_where() {
    let tab = "2: is not valid YAML (it begins with a tab, where YAML wants blanks)";
    assert!(wrong("a:\n\tb: 1\n").starts_with(tab));
    assert!(wrong("a: b\n\tc: 1\n").starts_with(tab));
    assert!(wrong("a: [1\n").starts_with("1: ") || wrong("a: [1\n").starts_with("2: "));
    assert!(wrong("a: *b").contains("valid YAML"));
    let tens = (1..9).map(|level| {
        let below = format!("*a{}", level - 1);
        format!(
            "a{level}: &a{level} [{}]\n",
            [below.as_str(); 10].join(", ")
        )
    });
    let bomb = format!("a0: &a0 [x]\n{}", tens.collect::<String>());
    assert!(wrong(&bomb).contains("aliases"));
    assert!(documents(&"[".repeat(100_000)).is_err());
}
