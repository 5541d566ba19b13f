use super::fake::{Book, Fault, World, child, refusal, row};
use super::*;
use iasql_engine::wire::{Settings, pending};
use serde_json::json;

fn settings() -> Settings {
    let region = Some("us-east-1".to_owned());
    Settings { max_parallel: 8, call_timeout: 5, patience: 60, region, ..Settings::default() }
}

fn step(number: u32, after: &[u32], table: &str, action: Action) -> Step {
    Step {
        number,
        after: after.to_vec(),
        table: table.into(),
        region: "us-east-1".into(),
        pk: json!(number),
        label: format!("n{number}"),
        action,
        reason: "test".into(),
    }
}

fn create(row: Row) -> Action {
    Action::Create { row, born: false, strip: Vec::new(), was: None }
}

fn born(row: Row) -> Action {
    Action::Create { row, born: true, strip: Vec::new(), was: None }
}

/// Runs steps to the end, and says what was reported.
async fn go(world: &World, book: &Book, steps: Vec<Step>) -> Vec<Report> {
    go_until(world, book, steps, &settings(), &Stop::new(Duration::from_millis(30))).await
}

async fn go_until(
    world: &World,
    book: &Book,
    steps: Vec<Step>,
    settings: &Settings,
    stop: &Stop,
) -> Vec<Report> {
    let reports = RefCell::new(Vec::new());
    let keep = |report| reports.borrow_mut().push(report);
    run(&Aws::offline(settings), steps, &|table| world.find(table), book, &keep, stop).await;
    assert!(matches!(reports.borrow().last(), Some(Report::RanAll)));
    reports.into_inner()
}

/// `+1` ended, `!2 code` failed, `-3 (2)` skipped because of 2.
fn ends(reports: &[Report]) -> Vec<String> {
    let mut ends: Vec<String> = reports
        .iter()
        .filter_map(|report| match report {
            Report::Ended { step, .. } => Some(format!("+{step}")),
            Report::Failed { step, failure } if failure.code.is_empty() => {
                Some(format!("!{step} {:?}", failure.kind))
            }
            Report::Failed { step, failure } => Some(format!("!{step} {}", failure.code)),
            Report::Skipped { step, because } => Some(format!("-{step} ({because})")),
            _ => None,
        })
        .collect();
    ends.sort_by_key(|end| end[1..].split(' ').next().and_then(|n| n.parse::<u32>().ok()));
    ends
}

fn made(reports: &[Report], number: u32) -> Option<Row> {
    reports.iter().find_map(|report| match report {
        Report::Ended { step, row } if *step == number => row.clone(),
        _ => None,
    })
}

#[tokio::test]
async fn what_refers_waits_and_gets_the_id() {
    let world = World::new();
    let book = Book::new(&world.log);
    let steps = vec![
        step(2, &[1], "subnet", create(child("a", pending(1)))),
        step(1, &[], "vpc", create(row("main", 7))),
        step(3, &[2], "subnet", Action::Delete { was: row("old", 1) }),
    ];
    let reports = go(&world, &book, steps).await;
    assert_eq!(ends(&reports), ["+1", "+2", "+3"]);
    let told = [
        "intend 1",
        "create vpc main",
        "settle 1",
        "intend 2",
        "create subnet a in vpc-1",
        "settle 2",
        "intend 3",
        "delete subnet old",
        "settle 3",
    ];
    assert_eq!(world.told(), told);
    // What AWS fills in is known from the answer.
    let vpc = json!(["vpc-1", "main", null, 7, "filled"]);
    assert_eq!(json!(made(&reports, 1)), vpc);
    let intents = book.intents.lock().unwrap();
    assert_eq!(intents[1].after.as_ref().unwrap()[2], json!("vpc-1"));
    assert!(intents.iter().all(|intent| intent.mark.len() == 32));
    assert_eq!(intents.iter().map(|i| &i.mark).collect::<BTreeSet<_>>().len(), 3);
    let outcomes = book.outcomes.lock().unwrap();
    assert_eq!(outcomes[0].cloud_id.as_deref(), Some("vpc-1"));
    assert_eq!(outcomes[0].mark, intents[0].mark);
}

#[tokio::test]
async fn what_refers_does_not_wait_until_aws_is_done() {
    let world = World::new();
    let book = Book::new(&world.log);
    let next = Action::Create {
        row: row("main", 7),
        born: false,
        strip: Vec::new(),
        was: Some(row("main", 1)),
    };
    world.table("deed").hold(&[row("main", 1)]);
    let steps = vec![
        step(1, &[], "deed", next),
        step(2, &[1], "subnet", create(child("a", json!("deed-1")))),
    ];
    let reports = go(&world, &book, steps).await;
    assert_eq!(ends(&reports), ["+1", "+2"]);
    let told = [
        "intend 1",
        "create deed main",
        "settle 1",
        "intend 2",
        "create subnet a in deed-1",
        "settle 2",
        "settle deed main",
        "settle 1",
    ];
    assert_eq!(world.told(), told);
    assert_eq!(made(&reports, 1).unwrap()[0], json!("settled"));
}

#[tokio::test]
async fn what_does_not_settle_fails_without_those_that_refer_to_it() {
    let world = World::new();
    let book = Book::new(&world.log);
    world.table("deed").fail("settle", &[Fault::Refuse("Broken")]);
    let steps = vec![
        step(1, &[], "deed", create(row("main", 7))),
        step(2, &[1], "subnet", create(child("a", json!("deed-1")))),
    ];
    assert_eq!(ends(&go(&world, &book, steps).await), ["!1 Broken", "+2"]);
    assert_eq!(book.ends(), [(1, End::Done), (1, End::Unknown), (2, End::Done)]);
}

#[tokio::test]
async fn independent_steps_run_side_by_side_under_one_intent() {
    let world = World::new();
    let book = Book::new(&world.log);
    let steps = (1..=3).map(|n| step(n, &[], "vpc", create(row(&format!("v{n}"), 1)))).collect();
    go(&world, &book, steps).await;
    assert_eq!(
        world.told()[..4],
        ["intend 1,2,3", "create vpc v1", "create vpc v2", "create vpc v3"]
    );
    assert_eq!(world.table("vpc").busy.lock().unwrap().1, 3);
}

#[tokio::test]
async fn many_steps_are_begun_in_portions() {
    let world = World::new();
    let book = Book::new(&world.log);
    let steps =
        (1..=1000).map(|n| step(n, &[], "vpc", Action::Delete { was: row(&format!("v{n}"), 1) }));
    let reports = go(&world, &book, steps.collect()).await;
    assert_eq!(ends(&reports).len(), 1000);
    assert_eq!(world.table("vpc").busy.lock().unwrap().1, ABREAST);
    assert_eq!(book.ends().len(), 1000);
}

#[tokio::test]
async fn a_failure_takes_with_it_only_what_waits_for_it() {
    let world = World::new();
    let book = Book::new(&world.log);
    world.table("vpc").fail("create", &[Fault::Refuse("VpcLimitExceeded")]);
    let steps = vec![
        step(1, &[], "vpc", create(row("main", 1))),
        step(2, &[1], "subnet", create(child("a", pending(1)))),
        step(3, &[2, 4], "subnet", create(child("b", pending(1)))),
        step(4, &[], "subnet", create(child("c", Value::Null))),
        step(5, &[4], "subnet", create(child("d", Value::Null))),
    ];
    let reports = go(&world, &book, steps).await;
    assert_eq!(ends(&reports), ["!1 VpcLimitExceeded", "-2 (1)", "-3 (1)", "+4", "+5"]);
    assert_eq!(book.ends(), [(1, End::Failed), (4, End::Done), (5, End::Done)]);
}

#[tokio::test]
async fn steps_that_wait_for_each_other_are_an_error_and_no_hang() {
    let world = World::new();
    let steps = vec![
        step(1, &[2], "vpc", create(row("a", 1))),
        step(2, &[1], "vpc", create(row("b", 1))),
        step(3, &[99], "vpc", create(row("c", 1))),
        step(4, &[], "no_such_table", create(row("d", 1))),
        step(5, &[3], "subnet", create(child("e", pending(77)))),
    ];
    let reports = go(&world, &Book::new(&world.log), steps).await;
    assert_eq!(ends(&reports), ["!1 Internal", "!2 Internal", "+3", "!4 Internal", "!5 Row"]);
}

#[tokio::test]
async fn an_answer_that_got_lost_is_looked_for_not_asked_for_again() {
    let world = World::new();
    let book = Book::new(&world.log);
    world.table("vpc").fail("create", &[Fault::LoseAnswer]);
    let reports = go(&world, &book, vec![step(1, &[], "vpc", create(row("main", 7)))]).await;
    assert_eq!(world.count("create"), 1);
    assert_eq!(json!(made(&reports, 1)), json!(["vpc-1", "main", null, 7, "filled"]));
    assert_eq!(book.ends(), [(1, End::Done)]);
}

#[tokio::test]
async fn a_call_that_got_lost_is_made_again_after_a_look() {
    let world = World::new();
    let book = Book::new(&world.log);
    world.table("vpc").fail("create", &[Fault::LoseCall]);
    go(&world, &book, vec![step(1, &[], "vpc", create(row("main", 7)))]).await;
    assert_eq!((world.count("create"), world.count("find")), (2, LOOKS.len()));
    assert_eq!(world.table("vpc").names(), ["main"]);
}

#[tokio::test]
async fn what_cannot_be_found_out_stays_unknown() {
    let world = World::new();
    let book = Book::new(&world.log);
    world.table("vpc").fail("create", &[Fault::LoseCall, Fault::LoseCall, Fault::LoseCall]);
    let reports = go(&world, &book, vec![step(1, &[], "vpc", create(row("main", 7)))]).await;
    assert_eq!(ends(&reports), ["!1 Unreachable"]);
    assert_eq!(book.ends(), [(1, End::Unknown)]);
    // Nor if nobody answers the look.
    let world = World::new();
    let book = Book::new(&world.log);
    world.table("vpc").fail("create", &[Fault::LoseAnswer]);
    world.table("vpc").fail("find", &[Fault::Refuse("AccessDenied")]);
    let reports = go(&world, &book, vec![step(1, &[], "vpc", create(row("main", 7)))]).await;
    assert_eq!(ends(&reports), ["!1 Unreachable"]);
    assert_eq!(book.ends(), [(1, End::Unknown)]);
}

#[tokio::test]
async fn what_exists_already_is_ours_only_after_a_lost_call() {
    let world = World::new();
    let book = Book::new(&world.log);
    world.table("vpc").hold(&[row("main", 1)]);
    let reports = go(&world, &book, vec![step(1, &[], "vpc", create(row("main", 7)))]).await;
    assert_eq!(ends(&reports), ["!1 VpcAlreadyExists"]);
    assert_eq!(book.ends(), [(1, End::Failed)]);
    // Lost, not to be seen at first, made again: "exists" is good news now.
    let world = World::new();
    let book = Book::new(&world.log);
    world.table("vpc").fail("create", &[Fault::LoseCall, Fault::Refuse("VpcAlreadyExists")]);
    let steps = vec![step(1, &[], "vpc", create(row("main", 7)))];
    let appears = async {
        while world.count("create") < 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        world.table("vpc").hold(&[vec![
            json!("vpc-9"),
            json!("main"),
            Value::Null,
            json!(3),
            Value::Null,
        ]]);
    };
    let (reports, ()) = futures_util::join!(go(&world, &book, steps), appears);
    assert_eq!(ends(&reports), ["+1"]);
    assert_eq!(world.count("update"), 1, "what differed was brought in line");
    assert_eq!(
        made(&reports, 1).unwrap()[..4],
        [json!("vpc-9"), json!("main"), Value::Null, json!(7)]
    );
}

#[tokio::test]
async fn throttling_is_waited_out_as_long_as_patience_lasts() {
    let slow = Fault::Refuse("Throttling");
    let world = World::new();
    world.table("vpc").fail("create", &[slow.clone(), slow.clone(), slow.clone()]);
    let steps = || vec![step(1, &[], "vpc", create(row("main", 1)))];
    let reports = go(&world, &Book::new(&world.log), steps()).await;
    assert_eq!((ends(&reports), world.count("create")), (vec!["+1".to_owned()], 4));

    let world = World::new();
    let book = Book::new(&world.log);
    world.table("vpc").fail("create", &[slow]);
    let impatient = Settings { patience: 0, ..settings() };
    let reports = go_until(&world, &book, steps(), &impatient, &Stop::new(Stop::GRACE)).await;
    assert_eq!((ends(&reports), world.count("create")), (vec!["!1 Throttling".to_owned()], 1));
    assert_eq!(book.ends(), [(1, End::Failed)]);
}

#[tokio::test]
async fn a_call_that_never_left_is_tried_again() {
    let world = World::new();
    world.table("vpc").fail("create", &[Fault::Unsent, Fault::Unsent]);
    let reports =
        go(&world, &Book::new(&world.log), vec![step(1, &[], "vpc", create(row("main", 1)))]).await;
    assert_eq!((ends(&reports), world.count("find")), (vec!["+1".to_owned()], 0));
}

#[tokio::test]
async fn what_aws_makes_by_itself_is_taken_over() {
    let world = World::new();
    world.table("vpc").hold(&[row("same", 7), row("other", 1)]);
    let steps = vec![
        step(1, &[], "vpc", born(row("same", 7))),
        step(2, &[], "vpc", born(row("other", 7))),
        step(3, &[], "vpc", born(row("absent", 7))),
    ];
    let reports = go(&world, &Book::new(&world.log), steps).await;
    assert_eq!(ends(&reports), ["+1", "+2", "+3"]);
    assert_eq!((world.count("update"), world.count("create")), (1, 1));
    assert_eq!(world.count("create vpc absent"), 1);
}

#[tokio::test]
async fn what_aws_makes_along_and_nobody_wants_goes() {
    let world = World::new();
    let book = Book::new(&world.log);
    world.table("subnet").hold(&[child("default", json!("vpc-1"))]);
    let strip =
        vec![("subnet".into(), child("default", pending(1))), ("subnet".into(), row("none", 1))];
    let action = Action::Create { row: row("main", 1), born: false, strip, was: None };
    let reports = go(&world, &book, vec![step(1, &[], "vpc", action.clone())]).await;
    assert_eq!(ends(&reports), ["+1"]);
    assert_eq!(world.count("delete subnet default in vpc-1"), 1);
    assert!(world.table("subnet").names().is_empty());

    // What waits for it does not wait for that; and until then its end is not known.
    let world = World::new();
    let book = Book::new(&world.log);
    world.table("subnet").hold(&[child("default", json!("vpc-1"))]);
    let steps = vec![
        step(1, &[], "vpc", action.clone()),
        step(2, &[1], "subnet", create(child("a", pending(1)))),
    ];
    assert_eq!(ends(&go(&world, &book, steps).await), ["+1", "+2"]);
    let told = world.told();
    let place = |line: &str| told.iter().position(|it| it == line).unwrap();
    assert!(place("intend 2") < place("delete subnet default in vpc-1"));
    let outcomes: Vec<_> =
        book.outcomes.lock().unwrap().iter().map(|it| (it.step, it.end)).collect();
    assert_eq!(outcomes.first(), Some(&(1, End::Unknown)));
    assert!(outcomes.contains(&(1, End::Done)));

    // If that fails, what was made is known all the same.
    let world = World::new();
    let book = Book::new(&world.log);
    world.table("subnet").hold(&[child("default", json!("vpc-1"))]);
    world.table("subnet").fail("delete", &[Fault::Refuse("AccessDenied")]);
    let reports = go(&world, &book, vec![step(1, &[], "vpc", action)]).await;
    assert_eq!(ends(&reports), ["!1 AccessDenied"]);
    let outcomes = book.outcomes.lock().unwrap();
    assert_eq!((outcomes[0].end, outcomes[0].cloud_id.as_deref()), (End::Unknown, Some("vpc-1")));
}

#[tokio::test]
async fn deletes_wait_only_for_what_this_run_has_removed() {
    let in_use = Fault::Refuse("DependencyViolation");
    let world = World::new();
    world.table("vpc").hold(&[row("main", 1)]);
    world.table("vpc").fail("delete", std::slice::from_ref(&in_use));
    let gone = |name| Action::Delete { was: row(name, 1) };
    let reports = go(&world, &Book::new(&world.log), vec![step(1, &[], "vpc", gone("main"))]).await;
    assert_eq!(
        (ends(&reports), world.count("delete")),
        (vec!["!1 DependencyViolation".to_owned()], 1)
    );

    let world = World::new();
    world.table("vpc").hold(&[row("main", 1)]);
    world.table("subnet").hold(&[row("a", 1)]);
    world.table("vpc").fail("delete", &[in_use.clone(), in_use]);
    let steps = vec![step(1, &[], "subnet", gone("a")), step(2, &[1], "vpc", gone("main"))];
    let reports = go(&world, &Book::new(&world.log), steps).await;
    assert_eq!(
        (ends(&reports), world.count("delete vpc")),
        (vec!["+1".to_owned(), "+2".to_owned()], 3)
    );
}

#[tokio::test]
async fn a_lost_delete_is_repeated_and_gone_is_gone() {
    let world = World::new();
    world.table("vpc").hold(&[row("main", 1)]);
    world.table("vpc").fail("delete", &[Fault::LoseAnswer]);
    let steps = vec![step(1, &[], "vpc", Action::Delete { was: row("main", 1) })];
    let reports = go(&world, &Book::new(&world.log), steps).await;
    assert_eq!((ends(&reports), world.count("delete")), (vec!["+1".to_owned()], 2));
    assert!(made(&reports, 1).is_none());
}

#[tokio::test]
async fn a_lost_update_is_checked_before_it_is_repeated() {
    let update =
        || vec![step(1, &[], "vpc", Action::Update { was: row("main", 1), row: row("main", 7) })];
    for (fault, updates) in [(Fault::LoseAnswer, 1), (Fault::LoseCall, 2)] {
        let world = World::new();
        world.table("vpc").hold(&[row("main", 1)]);
        world.table("vpc").fail("update", &[fault]);
        let reports = go(&world, &Book::new(&world.log), update()).await;
        assert_eq!((ends(&reports), world.count("update")), (vec!["+1".to_owned()], updates));
    }
}

#[tokio::test]
async fn not_found_means_not_yet_right_after_a_create() {
    let not_found = Fault::Refuse("InvalidVpcID.NotFound");
    let world = World::new();
    world.table("subnet").fail("create", &[not_found.clone(), not_found.clone()]);
    let steps = vec![
        step(1, &[], "vpc", create(row("main", 1))),
        step(2, &[1], "subnet", create(child("a", pending(1)))),
    ];
    let reports = go(&world, &Book::new(&world.log), steps).await;
    assert_eq!(
        (ends(&reports), world.count("create subnet")),
        (vec!["+1".to_owned(), "+2".to_owned()], 3)
    );

    let world = World::new();
    world.table("subnet").fail("create", &[not_found]);
    let steps = vec![step(2, &[], "subnet", create(child("a", json!("vpc-x"))))];
    let reports = go(&world, &Book::new(&world.log), steps).await;
    assert_eq!(ends(&reports), ["!2 InvalidVpcID.NotFound"]);
}

#[tokio::test]
async fn without_credentials_nothing_more_is_begun() {
    let expired = Fault::Refuse("ExpiredToken");
    let world = World::new();
    let book = Book::new(&world.log);
    // The first time they are loaded anew, the second time it is over.
    world.table("vpc").fail("create", &[expired.clone(), expired]);
    let steps = vec![
        step(1, &[], "vpc", create(row("main", 1))),
        step(2, &[], "subnet", create(child("a", Value::Null))),
        step(3, &[2], "subnet", create(child("b", Value::Null))),
        step(4, &[3], "subnet", create(child("c", Value::Null))),
    ];
    let slow = go(&world, &book, steps).await;
    let told = ends(&slow);
    assert_eq!(told[0], "!1 ExpiredToken");
    assert!(told.contains(&"-4 (1)".to_owned()), "{told:?}");
    assert_eq!(world.count("create vpc"), 2);
}

#[tokio::test]
async fn nothing_is_sent_that_is_not_in_the_journal() {
    let world = World::new();
    let book = Book { full: true, ..Book::new(&world.log) };
    let steps = vec![
        step(1, &[], "vpc", create(row("main", 1))),
        step(2, &[1], "vpc", create(row("b", 1))),
    ];
    let reports = go(&world, &book, steps).await;
    assert_eq!(ends(&reports), ["!1 Internal", "-2 (1)"]);
    assert!(world.told().is_empty());
}

#[tokio::test]
async fn a_stop_awaits_what_has_begun_and_begins_nothing() {
    let world = World::new();
    let book = Book::new(&world.log);
    let stop = Stop::new(Duration::from_millis(300));
    world.table("vpc").fail("create", &[Fault::Hang]);
    let steps = vec![
        step(1, &[], "vpc", create(row("hangs", 1))),
        step(2, &[1], "vpc", create(row("later", 1))),
        step(3, &[], "subnet", create(child("a", Value::Null))),
        step(4, &[3], "subnet", create(child("b", Value::Null))),
    ];
    let asked = async {
        while world.count("create") < 2 {
            tokio::task::yield_now().await;
        }
        stop.ask();
    };
    let settings = settings();
    let (reports, ()) =
        futures_util::join!(go_until(&world, &book, steps, &settings, &stop), asked);
    assert_eq!(ends(&reports), ["!1 Cancelled", "!2 Cancelled", "+3", "!4 Cancelled"]);
    assert_eq!(book.ends(), [(1, End::Unknown), (3, End::Done)]);
    assert_eq!(world.count("create"), 2);
}

#[tokio::test]
async fn a_stop_ends_the_waiting_for_better_times() {
    let world = World::new();
    let book = Book::new(&world.log);
    let stop = Stop::new(Stop::GRACE);
    world.table("vpc").fail("create", &vec![Fault::Refuse("Throttling"); 1000]);
    let steps = vec![step(1, &[], "vpc", create(row("main", 1)))];
    let asked = async {
        while world.count("create") < 3 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        stop.ask();
    };
    let settings = settings();
    let (reports, ()) =
        futures_util::join!(go_until(&world, &book, steps, &settings, &stop), asked);
    assert_eq!(ends(&reports), ["!1 Throttling"]);
    assert_eq!(book.ends(), [(1, End::Failed)]);
}

#[tokio::test]
async fn what_a_create_cannot_set_is_set_after_it() {
    let world = World::new();
    let book = Book::new(&world.log);
    world.table("echo").fail("update", &[Fault::LoseCall, Fault::Refuse("AccessDenied")]);
    let steps = vec![step(1, &[], "echo", create(row("a", 7)))];
    let reports = go(&world, &book, steps).await;
    assert_eq!((ends(&reports), world.count("update")), (vec!["!1 AccessDenied".to_owned()], 2));
    // It is there, whatever it lacks.
    let outcomes = book.outcomes.lock().unwrap();
    assert_eq!((outcomes[0].end, outcomes[0].cloud_id.as_deref()), (End::Unknown, Some("echo-1")));
}

#[tokio::test]
async fn tables_whose_answers_say_too_little_are_listed_once_at_the_end() {
    let world = World::new();
    let steps = vec![
        step(1, &[], "echo", create(row("a", 1))),
        step(2, &[], "echo", create(row("b", 1))),
        step(3, &[], "vpc", create(row("c", 1))),
        step(4, &[], "echo", Action::Delete { was: row("d", 1) }),
    ];
    let reports = go(&world, &Book::new(&world.log), steps).await;
    let after: Vec<_> = reports
        .iter()
        .filter_map(|report| match report {
            Report::After { scope, rows } => Some((scope.table.as_str(), rows.len())),
            _ => None,
        })
        .collect();
    assert_eq!(after, [("echo", 2)]);
}

#[tokio::test]
async fn the_progress_line_says_what_takes_so_long() {
    let world = World::new();
    let aws = Aws::offline(&settings());
    let steps = HashMap::from([(7, step(7, &[], "vpc", create(row("main", 1))))]);
    let run = Run {
        aws: &aws,
        steps: &steps,
        resource: &|table| world.find(table),
        stop: &Stop::new(Stop::GRACE),
        made: RefCell::default(),
        standing: RefCell::default(),
        stands: Notify::new(),
        created: Cell::new(None),
        released: Cell::new(None),
    };
    assert_eq!(run.progress(12, 40, 7, Instant::now()), "12 of 40: creating vpc n7 (0 s)");
}

#[test]
fn only_patience_that_pays_is_spent() {
    let world = World::new();
    let aws = Aws::offline(&settings());
    let run = Run {
        aws: &aws,
        steps: &HashMap::new(),
        resource: &|table| world.find(table),
        stop: &Stop::new(Stop::GRACE),
        made: RefCell::default(),
        standing: RefCell::default(),
        stands: Notify::new(),
        created: Cell::new(Some(Instant::now())),
        released: Cell::new(None),
    };
    let make = create(row("a", 1));
    let remove = Action::Delete { was: row("a", 1) };
    assert_eq!(run.worth(&make, &refusal("ThrottlingException")), Duration::from_secs(60));
    assert_eq!(run.worth(&make, &refusal("InvalidGroup.NotFound")), NOT_YET);
    assert_eq!(run.worth(&remove, &refusal("DependencyViolation")), Duration::ZERO);
    assert_eq!(run.worth(&make, &refusal("InvalidParameterValue")), Duration::ZERO);
    assert_eq!(run.worth(&make, &refusal("OperationAbortedException")), CONFLICT);
}

/// Rules of one parent, and of another one if they say so.
fn rules(names: &[&str], parent: Value) -> Vec<Action> {
    names.iter().map(|name| create(child(name, parent.clone()))).collect()
}

fn numbered(table: &str, after: &[u32], actions: Vec<Action>) -> Vec<Step> {
    (1..).zip(actions).map(|(number, action)| step(number, after, table, action)).collect()
}

#[tokio::test]
async fn what_may_go_in_one_call_does_each_with_an_intent_of_its_own() {
    let world = World::new();
    let book = Book::new(&world.log);
    let mut steps = vec![step(9, &[], "vpc", create(row("main", 1)))];
    let mut other = child("d", pending(9));
    other[3] = json!(2);
    let mut actions = rules(&["a", "b", "c"], pending(9));
    actions.extend([create(other), born(child("e", pending(9)))]);
    actions.extend(rules(&["f"], json!("vpc-0")));
    steps.extend(numbered("rule", &[9], actions));
    let reports = go(&world, &book, steps).await;
    assert_eq!(ends(&reports), ["+1", "+2", "+3", "+4", "+5", "+6", "+9"]);
    let told = world.told();
    assert_eq!(told[3], "intend 1,2,3,4,5,6");
    // What differs in a column that matters, what AWS may have made by itself, another parent.
    assert_eq!(
        world.told().iter().filter(|line| line.starts_with("create rule")).collect::<Vec<_>>(),
        [
            "create rule a,b,c in vpc-1",
            "create rule d in vpc-1",
            "create rule f in vpc-0",
            "create rule e in vpc-1"
        ]
    );
    // Each has an answer of its own, and a mark of its own.
    let names: Vec<_> = (1..=3).map(|n| made(&reports, n).unwrap()[1].clone()).collect();
    assert_eq!(json!(names), json!(["a", "b", "c"]));
    let marks: BTreeSet<_> =
        book.intents.lock().unwrap().iter().map(|intent| intent.mark.clone()).collect();
    assert_eq!(marks.len(), 7);
}

#[tokio::test]
async fn deletes_go_in_one_call_whatever_can_be_changed_in_place() {
    let world = World::new();
    let mut all = ["a", "b", "c", "d"].map(|name| child(name, json!("vpc-0")));
    all[1][3] = json!(7);
    all[3][2] = json!("vpc-1");
    world.table("rule").hold(&all);
    let steps = numbered("rule", &[], all.clone().map(|was| Action::Delete { was }).to_vec());
    let reports = go(&world, &Book::new(&world.log), steps.clone()).await;
    assert_eq!(ends(&reports), ["+1", "+2", "+3", "+4"]);
    assert_eq!(world.count("delete rule a,b,c in vpc-0"), 1);
    assert_eq!(world.count("delete"), 2);
    // Again, when one of them is gone already, and when the answer gets lost.
    world.table("rule").hold(&all[1..]);
    assert_eq!(ends(&go(&world, &Book::new(&world.log), steps.clone()).await).len(), 4);
    assert!(world.table("rule").names().is_empty());
    world.table("rule").hold(&all);
    world.table("rule").fail("delete", &[Fault::LoseAnswer]);
    let reports = go(&world, &Book::new(&world.log), steps).await;
    assert_eq!(ends(&reports), ["+1", "+2", "+3", "+4"]);
}

#[tokio::test]
async fn a_call_for_many_is_no_larger_than_aws_takes() {
    let world = World::new();
    let names: Vec<String> = (0..250).map(|n| format!("r{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let steps = numbered("rule", &[], rules(&names, json!("vpc-0")));
    let reports = go(&world, &Book::new(&world.log), steps).await;
    assert_eq!(ends(&reports).len(), 250);
    assert_eq!((world.count("create"), world.table("rule").names().len()), (3, 250));
}

#[tokio::test]
async fn one_that_is_refused_keeps_none_of_the_others_from_being_made() {
    let world = World::new();
    let book = Book::new(&world.log);
    world.table("rule").hold(&[child("c", json!("vpc-0"))]);
    let steps = numbered("rule", &[], rules(&["a", "b", "c", "d", "e"], json!("vpc-0")));
    let reports = go(&world, &book, steps).await;
    assert_eq!(ends(&reports), ["+1", "+2", "!3 InvalidPermission.Duplicate", "+4", "+5"]);
    let ends: Vec<_> = [End::Done, End::Done, End::Failed, End::Done, End::Done].into();
    assert_eq!(book.ends(), (1..).zip(ends).collect::<Vec<_>>());
    assert_eq!(world.count("find"), 0, "nothing is in doubt");
}

#[tokio::test]
async fn a_refusal_that_time_heals_is_waited_out_together() {
    let world = World::new();
    world.table("rule").fail("create", &[Fault::Refuse("InvalidGroup.NotFound")]);
    let mut steps = numbered("rule", &[9], rules(&["a", "b"], pending(9)));
    steps.push(step(9, &[], "vpc", create(row("main", 1))));
    let reports = go(&world, &Book::new(&world.log), steps).await;
    assert_eq!(ends(&reports), ["+1", "+2", "+9"]);
    assert_eq!(world.count("create rule a,b in vpc-1"), 2);
}

#[tokio::test]
async fn what_concerns_all_of_a_call_is_not_tried_one_by_one() {
    let world = World::new();
    let book = Book::new(&world.log);
    world.table("rule").fail("create", &[Fault::Refuse("UnauthorizedOperation")]);
    let steps = numbered("rule", &[], rules(&["a", "b"], json!("vpc-0")));
    let reports = go(&world, &book, steps).await;
    assert_eq!(ends(&reports), ["!1 UnauthorizedOperation", "!2 UnauthorizedOperation"]);
    assert_eq!(book.ends(), [(1, End::Failed), (2, End::Failed)]);
    assert_eq!(world.count("create"), 1);
}

#[tokio::test]
async fn each_of_a_lost_call_is_looked_for() {
    let names = ["a", "b", "c"];
    let steps = || numbered("rule", &[], rules(&names, json!("vpc-0")));
    let world = World::new();
    let book = Book::new(&world.log);
    world.table("rule").fail("create", &[Fault::LoseAnswer]);
    assert_eq!(ends(&go(&world, &book, steps()).await), ["+1", "+2", "+3"]);
    assert_eq!((world.count("create"), world.count("find")), (1, 3));
    assert_eq!(world.table("rule").names(), names);

    let world = World::new();
    world.table("rule").fail("create", &[Fault::LoseCall]);
    assert_eq!(ends(&go(&world, &Book::new(&world.log), steps()).await), ["+1", "+2", "+3"]);
    assert_eq!((world.count("create"), world.count("find")), (4, 3 * LOOKS.len()));
    assert_eq!(world.table("rule").names().len(), 3);
}
