//! Whatever arrives, a message comes of it, or an error in words.

use iasql_engine::frame::{Inbox, LONGEST, frame};
use iasql_engine::wire::{Action, Failure, Order, Report, Scope, Seen, Step};
use iasql_engine::{Row, Value};
use proptest::prelude::*;
use serde_json::json;

fn row() -> impl Strategy<Value = Row> {
    let cell = prop_oneof![
        any::<Option<bool>>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        any::<String>().prop_map(|text| json!({ text.clone(): [text, null] })),
    ];
    prop::collection::vec(cell, 0..4)
}

fn report() -> impl Strategy<Value = Report> {
    let scope = || {
        let names = (any::<String>(), any::<String>());
        names.prop_map(|(table, region)| Scope { table, region })
    };
    let failure = any::<String>().prop_map(|message| Failure { message, ..Failure::default() });
    let seen = row().prop_map(|row| Seen { row: row.into(), ..Seen::default() });
    prop_oneof![
        (scope(), prop::collection::vec(seen, 0..4))
            .prop_map(|(scope, rows)| Report::Rows { scope, rows }),
        (scope(), prop::option::of(failure))
            .prop_map(|(scope, failure)| Report::Read { scope, failure }),
        (any::<u32>(), prop::option::of(row())).prop_map(|(step, row)| Report::Ended { step, row }),
        any::<String>().prop_map(Report::Progress),
        Just(()).prop_map(|()| Report::ReadAll),
    ]
}

/// How a frame goes wrong.
#[derive(Debug, Clone)]
enum Harm {
    /// A byte becomes another.
    Flip(prop::sample::Index, u8),
    /// It says of itself that it is so long.
    Length(u32),
    /// It ends early.
    Cut(prop::sample::Index),
    /// Something is in it that is not its own.
    Insert(prop::sample::Index, Vec<u8>),
}

fn harm() -> impl Strategy<Value = Harm> {
    prop_oneof![
        (any::<prop::sample::Index>(), any::<u8>()).prop_map(|(at, byte)| Harm::Flip(at, byte)),
        prop_oneof![any::<u32>(), 0..200u32].prop_map(Harm::Length),
        any::<prop::sample::Index>().prop_map(Harm::Cut),
        (any::<prop::sample::Index>(), prop::collection::vec(any::<u8>(), 1..9))
            .prop_map(|(at, bytes)| Harm::Insert(at, bytes)),
    ]
}

impl Harm {
    fn apply(self, bytes: &mut Vec<u8>) {
        let end = bytes.len();
        match self {
            Self::Flip(at, byte) => bytes[at.index(end)] = byte,
            Self::Length(length) => bytes[..4].copy_from_slice(&length.to_le_bytes()),
            Self::Cut(at) => bytes.truncate(at.index(end)),
            Self::Insert(at, more) => {
                let at = at.index(end + 1);
                bytes.splice(at..at, more);
            }
        }
    }
}

/// Takes what bytes hold that arrive in pieces, up to the first error.
fn take(bytes: &[u8], piece: usize) -> (Vec<Report>, Option<String>) {
    let (mut inbox, mut taken) = (Inbox::default(), Vec::new());
    for piece in bytes.chunks(piece) {
        inbox.put(piece);
        loop {
            match inbox.take() {
                Ok(Some(report)) => taken.push(report),
                Ok(None) => break,
                Err(why) => return (taken, Some(why)),
            }
        }
    }
    (taken, None)
}

fn text(reports: &[Report]) -> String {
    serde_json::to_string(reports).unwrap()
}

proptest! {
    #![proptest_config(crate::config(400))]

    #[test]
    fn messages_arrive_however_the_way_cuts_them(
        reports in prop::collection::vec(report(), 0..5), piece in 1..40usize,
    ) {
        let bytes: Vec<u8> = reports.iter().flat_map(|report| frame(report).unwrap()).collect();
        let (taken, error) = take(&bytes, piece);
        prop_assert_eq!(text(&taken), text(&reports));
        prop_assert_eq!(error, None);
    }

    #[test]
    fn what_is_no_message_is_an_error_in_words(
        before in report(), broken in report(), after in report(), harm in harm(), piece in 1..40usize,
    ) {
        let mut bytes = frame(&broken).unwrap();
        let whole = bytes.clone();
        harm.clone().apply(&mut bytes);
        let first = frame(&before).unwrap();
        let all: Vec<u8> = [first, bytes.clone(), frame(&after).unwrap()].concat();
        let (taken, error) = take(&all, piece);
        prop_assert_eq!(text(&taken[..1]), text(&[before]));
        let words = error.clone().unwrap_or_else(|| "a message".to_owned());
        prop_assert!(words.starts_with("a message"), "{}", words);
        // What it says of its length it has to keep.
        let length = bytes.first_chunk().map(|head| u32::from_le_bytes(*head) as usize);
        if length.is_some_and(|length| length > LONGEST) {
            prop_assert!(error.is_some_and(|why| why.ends_with("too long")));
        } else if bytes == whole {
            prop_assert_eq!((taken.len(), error), (3, None));
        }
    }

    #[test]
    fn no_bytes_at_all_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), piece in 1..40usize) {
        take(&bytes, piece);
        let mut framed = u32::try_from(bytes.len()).unwrap().to_le_bytes().to_vec();
        framed.extend(&bytes);
        let (taken, error) = take(&framed, piece);
        prop_assert!(taken.len() == 1 || error.is_some());
    }
}

#[test]
fn a_length_takes_no_memory_and_too_much_is_refused_at_once() {
    for length in [u32::try_from(LONGEST).unwrap() + 1, u32::MAX] {
        let mut inbox = Inbox::default();
        inbox.put(&length.to_le_bytes());
        let why = inbox.take::<Order>().unwrap_err();
        assert_eq!(why, format!("a message of {length} bytes is too long"));
    }
    let mut inbox = Inbox::default();
    inbox.put(&u32::try_from(LONGEST).unwrap().to_le_bytes());
    assert!(inbox.take::<Order>().unwrap().is_none(), "the rest may still come");
    assert!(std::mem::size_of_val(&inbox) < 100 && inbox.room() < 100, "{}", inbox.room());
}

#[test]
fn what_comes_after_the_end_of_a_message_is_no_part_of_it() {
    for broken in
        [&b"\"Run\"\"Run\""[..], b"\"Run\" x", b"\"Ran\"", b"\xff\xfe", b"", b"{\"Steps\":1}"]
    {
        let mut inbox = Inbox::default();
        inbox.put(&u32::try_from(broken.len()).unwrap().to_le_bytes());
        inbox.put(broken);
        let why = inbox.take::<Order>().unwrap_err();
        assert!(why.starts_with("a message makes no sense: "), "{why}");
    }
}

#[test]
fn fifty_megabytes_pass() {
    let huge = || vec![Value::from("\"x\"".repeat(50 << 20 >> 2))];
    let step = Step {
        number: 0,
        after: Vec::new(),
        table: "policy".to_owned(),
        region: String::new(),
        pk: Value::from(1),
        label: "huge".to_owned(),
        action: Action::Update { was: huge(), row: huge() },
        reason: "edited".to_owned(),
    };
    let bytes = frame(&Order::Steps(vec![step])).unwrap();
    assert!(bytes.len() > 100 << 20);
    let mut inbox = Inbox::default();
    bytes.chunks(65536).for_each(|piece| inbox.put(piece));
    let Some(Order::Steps(steps)) = inbox.take().unwrap() else { panic!("no steps") };
    assert!(matches!(&steps[0].action, Action::Update { row, .. } if *row == huge()));
}
