//! Section 4 of the design, line by line.

use crate::common::script::furnished;
use crate::common::sim::{How, Sim, said};
use crate::common::tables;
use iasql_engine::plan::{self, Settled};
use iasql_engine::table::{Column, Table};
use iasql_engine::wire::{Action, Scope, Step};
use iasql_engine::{Value, ddl, sync};
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;

/// A plan in words, and what it says of the steps' order when it is carried out.
#[track_caller]
fn plans(sim: &Sim, lines: &[&str]) {
    assert_eq!(sim.planned(), lines);
}

/// Applies, and finds nothing more to do.
#[track_caller]
fn applies(sim: &mut Sim) {
    for seed in 0..8 {
        let mut sim = sim.clone();
        let applied = sim.apply(&How { seed, ..How::default() });
        assert!(applied.whole(), "{:?} {:?}", applied.plan.problems, applied.failed);
        sim.settled();
        sim.rows_match_cloud(false);
    }
    sim.apply_all();
}

fn repo() -> (Sim, Value) {
    let mut sim = Sim::imported();
    let pk = sim.insert("repo", "r1", json!({"name": "web"}));
    assert!(sim.apply_all().whole());
    sim.commit();
    (sim, pk)
}

/// Somebody changes a cell in the cloud.
fn drift(sim: &mut Sim, table: &str, id: &str, column: &str, value: Json) {
    let at = sim.cloud.find(table, "r1", id).expect("a thing");
    sim.cloud.drift(at, tables::named(table).position(column).expect("a column"), value);
}

fn vanish(sim: &mut Sim, table: &str, id: &str) {
    let at = sim.cloud.find(table, "r1", id).expect("a thing");
    sim.cloud.delete(at).expect("it can be deleted");
}

fn unread(table: &Table, region: &str) -> Scope {
    Scope { table: table.name.to_owned(), region: region.to_owned() }
}

fn settled(sim: &Sim) -> Vec<Settled> {
    sim.plan().1.settled.into_iter().map(|(_, settled)| settled).collect()
}

fn synced(sim: &mut Sim) -> Vec<String> {
    let (world, sync) = sim.sync(&[]);
    let line = |change: &sync::RowChange| {
        let (table, label) = (world.table(change.node).name, world.label(change.node));
        let word = if change.discards { ", discards an edit" } else { "" };
        format!("{} {table} {label} [{}]{word}", change.verb.word(), change.columns.join(", "))
    };
    sync.changes.iter().map(line).collect()
}

// ---------------------------------------------------------------- the table

#[test]
fn an_added_row_is_created() {
    let mut sim = Sim::imported();
    sim.insert("repo", "r1", json!({"name": "web"}));
    plans(&sim, &["create repo web [] added"]);
    applies(&mut sim);
}

#[test]
fn an_added_row_that_is_in_the_cloud_as_it_stands_is_adopted_without_a_call() {
    let (mut sim, pk) = repo();
    sim.db.rows.clear();
    sim.db.base.clear();
    sim.insert("repo", "r1", json!({"name": "web"}));
    plans(&sim, &[]);
    assert_eq!(settled(&sim), [Settled::Agreed]);
    applies(&mut sim);
    assert_ne!(sim.pk("repo", "name", &json!("web")), pk);
}

#[test]
fn an_added_row_that_is_in_the_cloud_and_differs_is_adopted_and_brought_in_line() {
    let (mut sim, _) = repo();
    sim.db.rows.clear();
    sim.db.base.clear();
    sim.insert("repo", "r1", json!({"name": "web", "is_open": false}));
    plans(&sim, &["update repo web [is_open] exists in the cloud"]);
    applies(&mut sim);
}

#[test]
fn what_was_deleted_outside_is_created_again() {
    let (mut sim, _) = repo();
    vanish(&mut sim, "repo", "arn:r1:web");
    plans(&sim, &["create repo web [] drift: deleted in the cloud"]);
    applies(&mut sim);
}

#[test]
fn what_agrees_is_left_alone() {
    let (sim, _) = repo();
    plans(&sim, &[]);
    assert_eq!(settled(&sim), []);
}

#[test]
fn what_has_changed_concerns_what_may_have_to_follow_and_what_that_is_understood_by() {
    let mut sim = furnished();
    let names = |sim: &Sim| -> Vec<&str> {
        sim.concerned(&[]).tables.iter().map(|table| table.name).collect()
    };
    assert_eq!(names(&sim), [""; 0]);
    let a = sim.pk("person", "name", &json!("a"));
    sim.edit("person", &a, "nets", json!(["b"]));
    let nets = names(&sim);
    assert!(
        nets.contains(&"person") && nets.contains(&"task") && !nets.contains(&"grp"),
        "{nets:?}"
    );
}

#[test]
fn what_was_changed_outside_is_set_back() {
    let (mut sim, _) = repo();
    drift(&mut sim, "repo", "arn:r1:web", "is_open", json!(false));
    plans(&sim, &["update repo web [is_open] drift"]);
    applies(&mut sim);
}

#[test]
fn an_edit_updates() {
    let (mut sim, pk) = repo();
    sim.edit("repo", &pk, "is_open", json!(false));
    plans(&sim, &["update repo web [is_open] edited"]);
    applies(&mut sim);
}

#[test]
fn an_edit_of_a_fixed_column_replaces_and_the_row_keeps_its_id() {
    let (mut sim, pk) = repo();
    sim.edit("repo", &pk, "lock", json!("x"));
    plans(&sim, &["replace repo web [lock] edited"]);
    applies(&mut sim);
    assert_eq!(sim.cell("repo", &pk, "lock"), "x");
}

#[test]
fn an_edit_of_the_key_replaces() {
    let (mut sim, pk) = repo();
    sim.edit("repo", &pk, "name", json!("shop"));
    plans(&sim, &["replace repo shop [name] edited"]);
    applies(&mut sim);
    assert_eq!(sim.cell("repo", &pk, "arn"), "arn:r1:shop");
}

#[test]
fn an_edit_that_the_cloud_has_already_is_just_remembered() {
    let (mut sim, pk) = repo();
    sim.edit("repo", &pk, "is_open", json!(false));
    drift(&mut sim, "repo", "arn:r1:web", "is_open", json!(false));
    plans(&sim, &[]);
    assert_eq!(settled(&sim), [Settled::Agreed]);
    applies(&mut sim);
}

#[test]
fn a_deleted_row_is_deleted() {
    let (mut sim, pk) = repo();
    sim.delete("repo", &pk);
    plans(&sim, &["delete repo web [] deleted"]);
    applies(&mut sim);
    assert_eq!(sim.cloud.find("repo", "r1", "arn:r1:web"), None);
}

#[test]
fn what_is_gone_on_both_sides_is_forgotten() {
    let (mut sim, pk) = repo();
    sim.delete("repo", &pk);
    vanish(&mut sim, "repo", "arn:r1:web");
    plans(&sim, &[]);
    assert_eq!(settled(&sim), [Settled::Forgotten]);
    applies(&mut sim);
    assert!(!sim.db.base.contains_key(&("repo", pk.to_string())));
}

#[test]
fn what_nobody_manages_is_left_alone_and_a_sync_brings_it_in() {
    let (mut sim, _) = repo();
    let row = vec![json!("other"), json!(null), json!(null), json!(true), json!(null)];
    sim.cloud.create(&tables::REPO, "r1", &row, "").expect("a repository");
    plans(&sim, &[]);
    applies(&mut sim);
    assert_eq!(synced(&mut sim), ["create repo other []"]);
    sim.settled();
}

// ---------------------------------------------------------------- orphans

#[test]
fn what_was_made_for_a_row_that_was_rolled_back_is_deleted() {
    let mut sim = Sim::imported();
    sim.insert("repo", "r1", json!({"name": "web"}));
    sim.apply_all();
    sim.rollback(true);
    plans(&sim, &["delete repo web [] orphan"]);
    applies(&mut sim);
    assert_eq!(sim.cloud.find("repo", "r1", "arn:r1:web"), None);
}

#[test]
fn a_sync_keeps_an_orphan_as_a_row() {
    let mut sim = Sim::imported();
    sim.insert("repo", "r1", json!({"name": "web"}));
    sim.apply_all();
    sim.rollback(true);
    assert_eq!(synced(&mut sim), ["create repo web []"]);
    sim.settled();
}

#[test]
fn a_missing_row_alone_makes_no_orphan() {
    let mut sim = Sim::imported();
    sim.insert("repo", "r1", json!({"name": "web"}));
    sim.apply_all();
    // Nobody knows how the transaction ended.
    sim.rollback(false);
    plans(&sim, &[]);
}

#[test]
fn an_orphan_that_a_row_describes_again_is_adopted() {
    let mut sim = Sim::imported();
    sim.insert("repo", "r1", json!({"name": "web"}));
    sim.apply_all();
    sim.rollback(true);
    sim.insert("repo", "r1", json!({"name": "web"}));
    plans(&sim, &[]);
    applies(&mut sim);
}

#[test]
fn an_orphan_that_aws_keeps_is_nobodys() {
    let mut sim = Sim::imported();
    let net = sim.insert("net", "r1", json!({"range": "10.0.0.0/16"}));
    sim.commit();
    sim.insert("grp", "r1", json!({"net_id": net, "name": "default"}));
    sim.apply_all();
    sim.rollback(true);
    plans(&sim, &[]);
    applies(&mut sim);
}

#[test]
fn what_was_made_under_a_name_that_is_an_id_is_an_orphan_too() {
    let (mut sim, _) = repo();
    sim.insert("policy", "r1", json!({"repo_name": "web", "text": {}}));
    sim.apply_all();
    sim.rollback(true);
    plans(&sim, &["delete policy web [] orphan"]);
    applies(&mut sim);
}

// ---------------------------------------------------------------- sync

#[test]
fn sync_discards_edits_and_says_so() {
    let (mut sim, pk) = repo();
    sim.edit("repo", &pk, "is_open", json!(false));
    sim.insert("person", "", json!({"name": "eve"}));
    let lines = synced(&mut sim);
    assert_eq!(
        lines,
        ["update repo web [is_open], discards an edit", "delete person eve [], discards an edit"]
    );
    sim.in_sync();
    sim.settled();
}

#[test]
fn sync_undoes_an_emptying_of_all_tables() {
    let mut sim = furnished();
    let before = sim.db.clone();
    sim.db.rows.clear();
    assert!(synced(&mut sim).iter().all(|line| line.ends_with("discards an edit")));
    assert_eq!(sim.db, before);
    sim.settled();
}

#[test]
fn sync_of_drift_discards_nothing() {
    let (mut sim, _) = repo();
    drift(&mut sim, "repo", "arn:r1:web", "is_open", json!(false));
    assert_eq!(synced(&mut sim), ["update repo web [is_open]"]);
    vanish(&mut sim, "repo", "arn:r1:web");
    assert_eq!(synced(&mut sim), ["delete repo web []"]);
}

#[test]
fn sync_says_that_the_edit_of_what_is_gone_is_lost() {
    let (mut sim, pk) = repo();
    sim.edit("repo", &pk, "is_open", json!(false));
    vanish(&mut sim, "repo", "arn:r1:web");
    assert_eq!(synced(&mut sim), ["delete repo web [], discards an edit"]);
}

#[test]
fn sync_keeps_what_unread_rows_refer_to_however_far() {
    let mut sim = furnished();
    // The cloud says that net and group are gone; what is in the group could not be read.
    let hidden =
        [unread(&tables::RULE, "r2"), unread(&tables::HOST, "r2"), unread(&tables::PART, "r2")];
    sim.cloud.things.retain(|_, it| it.region != "r2");
    sim.sync(&hidden);
    let count = |sim: &Sim, table| sim.db.of(table).filter(|it| it.region == "r2").count();
    assert_eq!((count(&sim, "net"), count(&sim, "grp")), (1, 3));
    sim.sync(&[]);
    assert_eq!((count(&sim, "net"), count(&sim, "grp")), (0, 0));
}

#[test]
fn sync_takes_a_row_to_another_region_with_all_that_it_names_or_not_at_all() {
    let mut sim = furnished();
    // What hangs together was moved; of the target nothing is known where it was.
    for table in ["balancer", "target", "listener", "service"] {
        let moved = sim.db.rows.iter_mut().find(|((name, _), _)| *name == table);
        moved.expect("a row").1.region = "r1".to_owned();
    }
    sim.sync(&[unread(&tables::TARGET, "r2")]);
    let region = |sim: &Sim, table| sim.db.of(table).next().map(|it| it.region.clone());
    for table in ["balancer", "target", "listener"] {
        assert_eq!(region(&sim, table).as_deref(), Some("r1"), "{table}");
    }
    sim.sync(&[]);
    for table in ["balancer", "target", "listener", "service"] {
        assert_eq!(region(&sim, table).as_deref(), Some("r2"), "{table}");
    }
    sim.in_sync();
    sim.settled();
}

#[test]
fn sync_forgets_what_was_agreed_on_a_row_that_was_added_again() {
    let mut sim = furnished();
    // A service is no row without its task, and that is none without the person that it names.
    let person = sim.cloud.find("person", "", "person-4").expect("a person");
    let row = sim.cloud.things[&person].row.clone();
    sim.cloud.delete(person).expect("a person that may go");
    sim.cloud.create(&tables::PERSON, "", &row, "somebody else's").expect("a namesake");
    let service = sim.pk("service", "name", &json!("a"));
    let cells = ["name", "task_id", "target_name", "part_ids"];
    let cells = cells.map(|column| (column.to_owned(), sim.cell("service", &service, column)));
    sim.delete("service", &service);
    sim.insert("service", "r2", Value::Object(cells.into_iter().collect()));
    sim.sync(&[]);
    assert_eq!(sim.db.of("service").count(), 0);
    sim.in_sync();
}

#[test]
fn what_refers_to_nothing_known_is_no_row() {
    let mut sim = furnished();
    let hidden = [unread(&tables::NET, "r1")];
    let net = vec![json!(null), json!("10.9.0.0/16"), json!(null), json!(null), json!({})];
    let net = sim.cloud.create(&tables::NET, "r1", &net, "").expect("a net");
    let id = sim.cloud.things[&net].id().to_owned();
    let part = vec![json!(id), json!("10.9.0.0/24"), json!(null), json!(null), json!(false)];
    sim.cloud.create(&tables::PART, "r1", &part, "").expect("a part");
    let (world, sync) = sim.sync(&hidden);
    let told: Vec<_> = sync
        .unrepresented
        .iter()
        .map(|(node, why)| (world.table(*node).name, why.clone()))
        .collect();
    let why = |it: &(&str, String)| it.1 == format!("its net {id} is not in this database");
    assert!(told.iter().any(|it| it.0 == "part" && why(it)), "{told:?}");
    assert!(told.iter().any(|it| it.0 == "grp" && why(it)), "{told:?}");
    sim.sync(&[]);
    sim.in_sync();
    sim.settled();
}

// ---------------------------------------------------------------- comparison

#[test]
fn what_aws_owns_never_differs_and_is_written_back() {
    let (mut sim, pk) = repo();
    let row = &mut sim.db.rows.get_mut(&("repo", pk.to_string())).expect("a row").row;
    row[2] = json!("another time");
    plans(&sim, &[]);
    applies(&mut sim);
    assert_ne!(sim.cell("repo", &pk, "made_at"), "another time");
}

#[test]
fn a_null_that_aws_fills_equals_anything_and_is_written_back() {
    let (mut sim, pk) = repo();
    assert_eq!(sim.cell("repo", &pk, "lock"), "none");
    sim.edit("repo", &pk, "lock", Json::Null);
    plans(&sim, &[]);
    applies(&mut sim);
    assert_eq!(sim.cell("repo", &pk, "lock"), "none");
}

#[test]
fn a_null_reference_of_what_exists_equals_anything_and_is_written_back() {
    let mut sim = furnished();
    let pk = sim.pk("grp", "name", &json!("a"));
    let net = sim.cell("grp", &pk, "net_id");
    sim.edit("grp", &pk, "net_id", Json::Null);
    plans(&sim, &[]);
    let mut other = sim.clone();
    applies(&mut sim);
    assert_eq!(sim.cell("grp", &pk, "net_id"), net);
    other.sync(&[]);
    assert_eq!(other.cell("grp", &pk, "net_id"), net);
    other.in_sync();
}

#[test]
fn a_null_reference_of_what_is_new_stands_for_the_default() {
    let mut sim = Sim::imported();
    let pk = sim.insert("grp", "r1", json!({"name": "web"}));
    plans(&sim, &["create grp web [] added"]);
    applies(&mut sim);
    assert_eq!(sim.cell("grp", &pk, "net_id"), sim.pk("net", "net_id", &json!("net-1")));
}

#[test]
fn a_null_reference_may_stand_for_a_default_that_is_no_row() {
    let mut sim = Sim::new();
    let pk = sim.insert("grp", "r1", json!({"name": "web"}));
    assert!(sim.apply_all().whole());
    assert_eq!(sim.cell("grp", &pk, "net_id"), Json::Null);
    sim.settled();
}

#[test]
fn sets_policies_and_tags_compare_by_meaning() {
    let mut sim = furnished();
    let pk = sim.pk("policy", "repo_name", &json!("a"));
    let text = |action: Json| json!({"Statement": {"Effect": "Allow", "Action": action}});
    sim.edit("policy", &pk, "text", text(json!(["s3:Get", "S3:Put"])));
    applies(&mut sim);
    sim.edit("policy", &pk, "text", json!(text(json!(["s3:put", "s3:get"])).to_string()));
    let eve = sim.insert("person", "", json!({"name": "eve", "nets": ["a", "b"]}));
    applies(&mut sim);
    sim.edit("person", &eve, "nets", json!(["b", "a", "b"]));
    let net = sim.pk("net", "net_id", &json!("net-1"));
    sim.edit("net", &net, "tags", Json::Null);
    plans(&sim, &[]);
}

// ---------------------------------------------------------------- update or replace

#[test]
fn what_refers_to_something_replaced_follows() {
    let mut sim = furnished();
    let net = sim.pk("net", "range", &json!("10.1.0.0/16"));
    sim.edit("net", &net, "range", json!("10.7.0.0/16"));
    let lines = sim.planned();
    assert_eq!(lines.iter().filter(|line| line.starts_with("replace")).count(), lines.len());
    assert_eq!(lines.len(), 1 + 3 + 1 + 3 + 1, "net, groups, part, rules, host: {lines:#?}");
    assert!(
        lines
            .iter()
            .any(|line| line == "replace host a [grp_id, part_id] follows part net-19 10.0.1.0/24")
    );
    applies(&mut sim);
    assert!(sim.db.rows.contains_key(&("net", net.to_string())), "the row keeps its id");
}

#[test]
fn what_can_be_pointed_at_the_new_one_is_updated() {
    let mut sim = furnished();
    let grp = sim.pk("grp", "name", &json!("a"));
    sim.edit("grp", &grp, "name", json!("c"));
    let (world, plan) = sim.plan();
    let lines = said(&world, &plan);
    assert!(lines.contains(&"update host a [grp_id] follows grp c".to_owned()), "{lines:#?}");
    assert!(lines.contains(&"replace grp c [name] edited".to_owned()), "{lines:#?}");
    // The new one is there before the old one goes.
    let step = |verb: &str, table: &str| {
        plan.steps
            .iter()
            .find(|step| step.action.verb() == verb && step.table == table)
            .expect("a step")
    };
    assert!(step("update", "host").after.contains(&step("create", "grp").number));
    assert!(step("delete", "grp").after.contains(&step("update", "host").number));
    applies(&mut sim);
}

#[test]
fn two_exchange_their_names() {
    let mut sim = furnished();
    let a = sim.pk("repo", "name", &json!("a"));
    let b = sim.pk("repo", "name", &json!("b"));
    sim.db.rows.retain(|(table, _), _| *table != "image");
    for (pk, name) in [(&a, "c"), (&b, "a"), (&a, "b")] {
        sim.edit("repo", pk, "name", json!(name));
    }
    plans(
        &sim,
        &[
            "replace repo a [name] edited",
            "delete image a:a [] deleted",
            "replace policy b [repo_name] follows repo b",
            "replace repo b [name] edited",
        ],
    );
    applies(&mut sim);
}

#[test]
fn two_that_are_made_before_they_are_removed_exchange_their_names() {
    let mut sim = furnished();
    let named = |sim: &Sim, name: &str| {
        let mut all = sim.db.of("grp").filter(|it| it.region == "r1" && it.row[1] == name);
        all.next().expect("a group").pk.clone()
    };
    let (a, b) = (named(&sim, "a"), named(&sim, "b"));
    for (pk, name) in [(&a, "c"), (&b, "a"), (&a, "b")] {
        sim.edit("grp", pk, "name", json!(name));
    }
    applies(&mut sim);
}

#[test]
fn a_row_renamed_to_what_exists_stands_for_that_and_the_old_thing_goes() {
    let (mut sim, pk) = repo();
    let row = vec![json!("other"), json!(null), json!(null), json!(false), json!(null)];
    sim.cloud.create(&tables::REPO, "r1", &row, "").expect("a repository");
    sim.edit("repo", &pk, "name", json!("other"));
    plans(&sim, &["update repo other [is_open] exists in the cloud", "delete repo web [] deleted"]);
    applies(&mut sim);
    assert_eq!(sim.cell("repo", &pk, "arn"), "arn:r1:other");
    sim.in_sync();
}

#[test]
fn sync_of_such_a_row_has_both() {
    let (mut sim, pk) = repo();
    let row = vec![json!("other"), json!(null), json!(null), json!(false), json!(null)];
    sim.cloud.create(&tables::REPO, "r1", &row, "").expect("a repository");
    sim.edit("repo", &pk, "name", json!("other"));
    sim.sync(&[]);
    sim.in_sync();
    sim.settled();
    sim.rows_match_cloud(true);
}

#[test]
fn the_old_thing_stays_ours_until_it_is_gone() {
    let (mut sim, pk) = repo();
    let row = vec![json!("other"), json!(null), json!(null), json!(true), json!(null)];
    sim.cloud.create(&tables::REPO, "r1", &row, "").expect("a repository");
    sim.edit("repo", &pk, "name", json!("other"));
    sim.commit();
    let seed = (0..).find(|&fail| {
        let how = How { fail: Some(fail), warn: true, ..How::default() };
        !sim.clone().apply(&how).failed.is_empty()
    });
    sim.apply(&How { fail: seed, warn: true, ..How::default() });
    applies(&mut sim);
    assert_eq!(sim.cloud.find("repo", "r1", "arn:r1:web"), None);
}

#[test]
fn a_row_deleted_and_added_again_stands_for_what_it_stood_for() {
    let (mut sim, pk) = repo();
    sim.delete("repo", &pk);
    sim.insert("repo", "r1", json!({"name": "web", "is_open": false}));
    plans(&sim, &["update repo web [is_open] edited"]);
    applies(&mut sim);
}

#[test]
fn a_row_moves_to_another_region() {
    let (mut sim, pk) = repo();
    sim.edit("repo", &pk, "region", json!("r2"));
    plans(&sim, &["replace repo web [region] edited"]);
    applies(&mut sim);
    assert!(sim.cloud.find("repo", "r1", "arn:r1:web").is_none());
    assert!(sim.cloud.find("repo", "r2", "arn:r2:web").is_some());
}

#[test]
fn a_row_moves_to_where_its_name_exists_already() {
    let (mut sim, pk) = repo();
    let row = vec![json!("web"), json!(null), json!(null), json!(true), json!(null)];
    sim.cloud.create(&tables::REPO, "r2", &row, "").expect("a repository");
    vanish(&mut sim, "repo", "arn:r1:web");
    sim.edit("repo", &pk, "region", json!("r2"));
    plans(&sim, &[]);
    applies(&mut sim);
    assert_eq!(sim.cell("repo", &pk, "arn"), "arn:r2:web");
}

// ---------------------------------------------------------------- nothing is lost

#[test]
fn what_exists_is_not_replaced_to_become_a_new_row() {
    let (mut sim, _) = repo();
    sim.db.rows.clear();
    sim.db.base.clear();
    sim.insert("repo", "r1", json!({"name": "web", "lock": "x"}));
    let lines = sim.planned();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[1].starts_with("problem: repo web exists in the cloud already"), "{lines:?}");
}

#[test]
fn what_was_made_anew_outside_is_not_replaced() {
    let mut sim = furnished();
    let pk = sim.pk("tree", "name", &json!("b"));
    let id = plain(&sim.cell("tree", &pk, "tree_id"));
    let old = sim.cloud.things[&sim.cloud.find("tree", "r1", &id).expect("a tree")].row.clone();
    vanish(&mut sim, "tree", &id);
    let mut row = old;
    row[3] = json!("another kind");
    sim.cloud.create(&tables::TREE, "r1", &row, "").expect("a tree");
    let lines = sim.planned();
    assert!(
        lines.iter().any(|line| line.starts_with("problem: tree b exists in the cloud already")),
        "{lines:?}"
    );
}

fn plain(value: &Value) -> String {
    iasql_engine::world::plain(value)
}

#[test]
fn a_replacement_that_would_lose_what_nobody_manages_is_refused() {
    let mut sim = furnished();
    let a = sim.pk("grp", "name", &json!("a"));
    let id = sim.cell("grp", &a, "grp_id");
    let row = vec![id, json!(false), json!(22), json!(null), json!(null), json!(null), json!(null)];
    let region = sim.db.rows[&("grp", a.to_string())].region.clone();
    sim.cloud.create(&tables::RULE, &region, &row, "").expect("a rule");
    sim.edit("grp", &a, "name", json!("c"));
    let problems = sim.plan().1.problems;
    assert_eq!(problems.len(), 1);
    assert!(problems[0].1.contains("would lose rule c 22"), "{problems:?}");
    assert!(problems[0].1.contains("run iasql_sync() first"), "{problems:?}");
}

#[test]
fn a_replacement_that_would_lose_what_only_the_cloud_can_make_is_refused() {
    let mut sim = furnished();
    let a = sim.pk("repo", "name", &json!("a"));
    sim.edit("repo", &a, "lock", json!("x"));
    let problems = sim.plan().1.problems;
    assert_eq!(
        problems[0].1,
        "replacing it would lose image a:a, which can only come from the cloud"
    );
}

#[test]
fn what_only_the_cloud_can_make_is_not_missed_when_it_has_gone() {
    let mut sim = furnished();
    vanish(&mut sim, "image", "a:a");
    plans(&sim, &[]);
    assert_eq!(synced(&mut sim), ["delete image a:a []"]);
}

#[test]
fn what_only_the_cloud_can_make_is_no_new_row() {
    let mut sim = furnished();
    sim.insert("image", "r1", json!({"repo_name": "a", "uri": "a:b"}));
    let problems = sim.plan().1.problems;
    assert_eq!(problems[0].1, "a image can only come from the cloud");
}

#[test]
fn an_imported_policy_is_deleted_with_its_row() {
    // Its id is the name of its repository, which is a reference.
    let mut sim = furnished();
    sim.db = Default::default();
    sim.sync(&[]);
    let pk = sim.pk("policy", "repo_name", &json!("a"));
    sim.delete("policy", &pk);
    plans(&sim, &["delete policy a [] deleted"]);
    applies(&mut sim);
    assert_eq!(sim.cloud.find("policy", "r1", "a"), None);
}

// ---------------------------------------------------------------- order

#[test]
fn two_groups_whose_rules_name_each_other_are_no_circle() {
    let mut sim = Sim::imported();
    let a = sim.insert("grp", "r1", json!({"name": "a"}));
    let b = sim.insert("grp", "r1", json!({"name": "b"}));
    sim.insert("rule", "r1", json!({"grp_id": a, "egress": false, "source": b}));
    sim.insert("rule", "r1", json!({"grp_id": b, "egress": false, "source": a}));
    applies(&mut sim);
    sim.db.rows.clear();
    applies(&mut sim);
}

#[test]
fn a_circle_is_a_problem_and_no_step_is_taken() {
    let mut sim = Sim::imported();
    let a = sim.insert("tree", "r1", json!({"name": "a"}));
    let b = sim.insert("tree", "r1", json!({"name": "b", "parent": a}));
    sim.edit("tree", &a, "parent", b);
    let (_, plan) = sim.plan();
    assert!(plan.steps.is_empty() && plan.changes.is_empty());
    let words: Vec<&str> = plan.problems.iter().map(|(_, words)| words.as_str()).collect();
    assert_eq!(words, ["waits for itself: tree a -> tree b -> tree a"]);
}

#[test]
fn a_new_one_of_an_exclusive_kind_waits_until_the_old_one_is_gone() {
    let mut sim = Sim::imported();
    let net = sim.pk("net", "net_id", &json!("net-1"));
    let old = sim.insert("part", "r1", json!({"net_id": net, "range": "10.0.1.0/24"}));
    applies(&mut sim);
    sim.delete("part", &old);
    sim.insert("part", "r1", json!({"net_id": net, "range": "10.0.0.0/16"}));
    applies(&mut sim);
}

#[test]
fn unless_something_moves_from_the_one_to_the_other() {
    let mut sim = furnished();
    let host = sim.db.of("host").find(|it| it.region == "r1").expect("a host").pk.clone();
    let old = sim.cell("host", &host, "part_id");
    let net = sim.cell("part", &old, "net_id");
    let new = sim.insert("part", "r1", json!({"net_id": net, "range": "10.0.2.0/24"}));
    sim.edit("host", &host, "part_id", new);
    sim.delete("part", &old);
    applies(&mut sim);
}

#[test]
fn a_group_renamed_while_its_net_is_replaced_goes_before_it_comes() {
    let mut sim = furnished();
    let net = sim.pk("net", "range", &json!("10.1.0.0/16"));
    sim.edit("net", &net, "range", json!("10.7.0.0/16"));
    let grp = sim
        .db
        .of("grp")
        .find(|it| it.region == "r1" && it.row[1] == "a")
        .expect("a group")
        .pk
        .clone();
    sim.edit("grp", &grp, "name", json!("c"));
    applies(&mut sim);
}

// ---------------------------------------------------------------- births, and what is kept

#[test]
fn what_comes_along_is_stripped_unless_a_row_describes_it() {
    let mut sim = Sim::imported();
    sim.insert("grp", "r1", json!({"name": "bare"}));
    let open = sim.insert("grp", "r1", json!({"name": "open"}));
    let rule =
        sim.insert("rule", "r1", json!({"grp_id": open, "egress": true, "range": "0.0.0.0/0"}));
    let (_, plan) = sim.plan();
    let how = |step: &iasql_engine::wire::Step| match &step.action {
        Action::Create { born, strip, .. } => (step.label.clone(), *born, strip.len()),
        _ => unreachable!("nothing else"),
    };
    let mut made: Vec<_> = plan.steps.iter().map(how).collect();
    made.sort();
    assert_eq!(made[0], ("bare".to_owned(), false, 1));
    assert_eq!(made[1], ("open".to_owned(), false, 0));
    assert!(made[2].1, "{made:?}");
    applies(&mut sim);
    let rules = sim.cloud.things.values().filter(|it| it.table.name == "rule").count();
    assert_eq!(rules, 2, "that of the default group, and that of the row");
    assert_ne!(sim.cell("rule", &rule, "rule_id"), Json::Null);
}

#[test]
fn what_could_not_be_stripped_in_time_is_stripped_later() {
    let mut sim = Sim::imported();
    sim.insert("grp", "r1", json!({"name": "bare"}));
    sim.commit();
    // The answer is lost on the way.
    let fail = (0..).find(|&fail| {
        let how = How { fail: Some(fail), ..How::default() };
        sim.clone().apply(&how).failed.iter().any(|(_, why)| why == "the answer was lost")
    });
    sim.apply(&How { fail, ..How::default() });
    let lines = sim.planned();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with("delete rule bare") && lines[0].ends_with("orphan"), "{lines:?}");
    applies(&mut sim);
}

#[test]
fn what_comes_along_and_is_kept_is_adopted_or_nobodys() {
    let mut sim = Sim::imported();
    sim.insert("net", "r1", json!({"range": "10.0.0.0/16"}));
    let net = sim.insert("net", "r1", json!({"range": "10.1.0.0/16"}));
    sim.insert("grp", "r1", json!({"net_id": net, "name": "default", "tags": {"k": "x"}}));
    applies(&mut sim);
    assert_eq!(synced(&mut sim).len(), 2, "the other group and its rule");
}

#[test]
fn what_is_kept_stays_and_its_row_comes_back() {
    let mut sim = Sim::imported();
    let before = sim.db.rows.clone();
    sim.db.rows.retain(|(table, _), _| *table == "person");
    plans(&sim, &["delete rule default 0.0.0.0/0 [] deleted"]);
    assert_eq!(settled(&sim), [Settled::Kept, Settled::Kept]);
    assert!(sim.apply_all().whole());
    sim.settled();
    assert_eq!(sim.db.of("net").count() + sim.db.of("grp").count(), 2);
    assert!(sim.db.rows.iter().all(|(key, row)| before.get(key) == Some(row)));
}

#[test]
fn what_is_kept_goes_along_with_what_it_belongs_to() {
    let mut sim = furnished();
    let net = sim.pk("net", "range", &json!("10.1.0.0/16"));
    sim.delete("net", &net);
    let lines = sim.planned();
    assert!(lines.iter().all(|line| !line.contains("grp default")), "{lines:#?}");
    applies(&mut sim);
}

#[test]
fn what_is_kept_can_not_be_replaced() {
    let mut sim = Sim::imported();
    let net = sim.pk("net", "net_id", &json!("net-1"));
    sim.edit("net", &net, "range", json!("10.0.0.0/16"));
    let problems = sim.plan().1.problems;
    assert_eq!(problems[0].1, "can't be replaced to change range: it comes with the region");
}

#[test]
fn a_row_does_not_come_back_to_what_has_none() {
    let mut sim = Sim::imported();
    sim.db.rows.clear();
    let applied = sim.apply(&How { unread: vec![unread(&tables::NET, "r1")], ..How::default() });
    assert!(applied.whole());
    assert_eq!(sim.db.of("grp").count(), 0);
    applies(&mut sim);
    assert_eq!(sim.db.of("grp").count(), 1);
}

// ---------------------------------------------------------------- what could not be read

#[test]
fn what_was_not_read_is_neither_created_nor_changed_nor_deleted() {
    let (mut sim, pk) = repo();
    let hidden = [unread(&tables::REPO, "r1")];
    let nothing = |sim: &Sim| {
        let world = sim.world(&hidden);
        let plan = plan::plan(&world);
        assert_eq!(said(&world, &plan), Vec::<String>::new());
        assert!(plan.settled.is_empty());
        plan.held.len()
    };
    sim.insert("repo", "r1", json!({"name": "other"}));
    assert_eq!(nothing(&sim), 2);
    sim.edit("repo", &pk, "is_open", json!(false));
    assert_eq!(nothing(&sim), 2);
    sim.delete("repo", &pk);
    assert_eq!(nothing(&sim), 2);
}

#[test]
fn rows_that_refer_to_what_may_not_be_there_wait() {
    let mut sim = Sim::imported();
    let net = sim.insert("net", "r1", json!({"range": "10.0.0.0/16"}));
    sim.insert("grp", "r1", json!({"net_id": net, "name": "a"}));
    sim.insert("grp", "r1", json!({"name": "b"}));
    let world = sim.world(&[unread(&tables::NET, "r1")]);
    let plan = plan::plan(&world);
    // The default net has a base row, so it can be referred to.
    assert_eq!(said(&world, &plan), ["create grp b [] added"]);
    sim.db.base.clear();
    let world = sim.world(&[unread(&tables::NET, "r1")]);
    assert_eq!(said(&world, &plan::plan(&world)), Vec::<String>::new());
}

#[test]
fn what_unread_rows_refer_to_is_not_removed() {
    let mut sim = furnished();
    let host = sim.db.of("host").find(|it| it.region == "r1").expect("a host").clone();
    let grp = sim.cell("host", &host.pk, "grp_id");
    sim.delete("grp", &grp);
    let world = sim.world(&[unread(&tables::HOST, "r1")]);
    let lines = said(&world, &plan::plan(&world));
    assert_eq!(lines.len(), 2, "its rules go: {lines:?}");
    assert!(lines.iter().all(|line| line.starts_with("delete rule")), "{lines:?}");
}

#[test]
fn a_row_moved_to_where_nothing_could_be_read_waits() {
    let (mut sim, pk) = repo();
    sim.edit("repo", &pk, "region", json!("r2"));
    let world = sim.world(&[unread(&tables::REPO, "r2")]);
    let plan = plan::plan(&world);
    assert_eq!(said(&world, &plan), Vec::<String>::new());
    assert!(plan.settled.is_empty(), "an edit that waits is not agreed on");
}

#[test]
fn a_row_moved_from_where_nothing_could_be_read_waits() {
    let (mut sim, pk) = repo();
    let row = vec![json!("web"), json!(null), json!(null), json!(true), json!(null)];
    sim.cloud.create(&tables::REPO, "r2", &row, "").expect("a repository");
    sim.edit("repo", &pk, "region", json!("r2"));
    let world = sim.world(&[unread(&tables::REPO, "r1")]);
    let plan = plan::plan(&world);
    assert_eq!(said(&world, &plan), Vec::<String>::new());
    assert!(plan.settled.is_empty(), "the old one would be lost sight of");
}

// ---------------------------------------------------------------- problems

#[test]
fn two_rows_for_the_same_thing_clash() {
    let mut sim = Sim::imported();
    let net = sim.pk("net", "net_id", &json!("net-1"));
    let one = sim.insert("grp", "r1", json!({"net_id": net, "name": "web"}));
    sim.insert("grp", "r1", json!({"name": "web"}));
    let problems = sim.plan().1.problems;
    assert_eq!(problems[0].1, format!("describes the same thing as row {one}"));
}

#[test]
fn a_row_and_what_it_refers_to_are_in_one_region() {
    let mut sim = furnished();
    let net = sim.pk("net", "range", &json!("10.1.0.0/16"));
    sim.insert("part", "r2", json!({"net_id": net, "range": "10.0.2.0/24"}));
    let problems = sim.plan().1.problems;
    assert!(problems[0].1.starts_with("is in r2, but its net net-"), "{problems:?}");
}

// ---------------------------------------------------------------- writes

#[test]
fn the_first_half_of_a_replacement_is_not_all_of_it() {
    // The new group is there, the old one could not be removed: it stays ours until it is.
    let mut sim = furnished();
    let grp = sim
        .db
        .of("grp")
        .find(|it| it.region == "r1" && it.row[1] == "a")
        .expect("a group")
        .pk
        .clone();
    sim.edit("grp", &grp, "name", json!("c"));
    sim.commit();
    let old = plain(&sim.cell("grp", &grp, "grp_id"));
    let half = (0..2000).find_map(|fail| {
        let mut sim = sim.clone();
        sim.apply(&How { fail: Some(fail), warn: true, ..How::default() });
        let both = sim.cloud.find("grp", "r1", &old).is_some()
            && plain(&sim.cell("grp", &grp, "grp_id")) != old;
        both.then_some(sim)
    });
    let mut sim = half.expect("an apply that got half-way");
    applies(&mut sim);
    assert_eq!(sim.cloud.find("grp", "r1", &old), None);
}

// ---------------------------------------------------------------- parts, lists of ids, revisions

/// A balancer with a group, and a service behind it.
fn fleet() -> Sim {
    let mut sim = Sim::imported();
    let net = sim.pk("net", "net_id", &json!("net-1"));
    let grp = sim.insert("grp", "r1", json!({"net_id": net, "name": "web"}));
    sim.insert("part", "r1", json!({"net_id": net, "range": "10.0.1.0/24"}));
    sim.insert("repo", "r1", json!({"name": "web"}));
    sim.insert("person", "", json!({"name": "eve"}));
    assert!(sim.apply_all().whole());
    let parts = json!([sim.db.of("part").next().expect("a part").row[3]]);
    sim.insert("balancer", "r1", json!({"name": "lb", "seat": [[grp, 1]], "part_ids": parts}));
    sim.insert("target", "r1", json!({"name": "web", "port": 80}));
    let cells = json!({"balancer_name": "lb", "port": 80, "target_name": "web"});
    sim.insert("listener", "r1", cells);
    let boxes = json!([["web", "web", "old"]]);
    let cells = json!({"family": "web", "person_name": "eve", "box": boxes});
    let task = sim.insert("task", "r1", cells);
    let cells = json!({"name": "web", "task_id": task, "target_name": "web", "part_ids": parts});
    sim.insert("service", "r1", cells);
    applies(&mut sim);
    sim.commit();
    sim
}

/// The one row of a table, but for what comes with the account.
fn only(sim: &Sim, table: &str) -> Value {
    let comes = |row: &[Value]| row.contains(&json!("default"));
    sim.db.of(table).find(|it| !comes(&it.row)).expect("a row").pk.clone()
}

/// Where a step stands in the plan.
#[track_caller]
fn step(sim: &Sim, verb: &str, table: &str) -> u32 {
    let (_, plan) = sim.plan();
    let this = |step: &&Step| step.action.verb() == verb && step.table == table;
    plan.steps.iter().find(this).expect("a step").number
}

/// Each of these steps waits for the one before it.
#[track_caller]
fn in_order(sim: &Sim, steps: &[(&str, &str)]) {
    let (_, plan) = sim.plan();
    let numbers: Vec<u32> = steps.iter().map(|(verb, table)| step(sim, verb, table)).collect();
    for pair in numbers.windows(2) {
        let later = &plan.steps[pair[1] as usize];
        assert!(later.after.contains(&pair[0]), "{steps:?}: {later:?}");
    }
}

fn tasks(sim: &Sim) -> usize {
    sim.cloud.things.values().filter(|it| it.table.name == "task").count()
}

#[test]
fn a_thing_whose_part_names_something_made_anew_follows_before_the_old_one_goes() {
    let mut sim = fleet();
    let grp = only(&sim, "grp");
    sim.edit("grp", &grp, "name", json!("shop"));
    plans(&sim, &["replace grp shop [name] edited", "update balancer lb [seat] follows grp shop"]);
    in_order(&sim, &[("create", "grp"), ("update", "balancer"), ("delete", "grp")]);
    applies(&mut sim);
}

#[test]
fn a_row_as_people_read_it_leads_back_to_the_row() {
    for table in tables::ALL {
        let cell = |column: &Column| match column.parts() {
            Some(part) => json!([vec!["a"; part.columns.len()], vec!["b"; part.columns.len()]]),
            None => json!(column.name),
        };
        let row: Vec<Json> = table.columns.iter().map(cell).collect();
        assert_eq!(table.unnamed(table.named(&row)), row);
    }
}

#[test]
fn parts_have_no_order_and_a_change_of_one_updates_their_owner() {
    let mut sim = fleet();
    let (lb, grp) = (only(&sim, "balancer"), only(&sim, "grp"));
    let other = sim.insert("grp", "r1", json!({"name": "shop"}));
    sim.edit("balancer", &lb, "seat", json!([[grp, 1], [other, 1]]));
    plans(&sim, &["create grp shop [] added", "update balancer lb [seat] edited"]);
    in_order(&sim, &[("create", "grp"), ("update", "balancer")]);
    applies(&mut sim);
    sim.edit("balancer", &lb, "seat", json!([[other, 1], [grp, 1]]));
    plans(&sim, &[]);
    sim.edit("balancer", &lb, "seat", json!([[other, 2], [grp, 1]]));
    plans(&sim, &["update balancer lb [seat] edited"]);
    sim.edit("balancer", &lb, "seat", json!([]));
    applies(&mut sim);
    sim.edit("balancer", &lb, "seat", Json::Null);
    plans(&sim, &[]);
}

#[test]
fn all_that_hangs_together_goes_in_an_order_that_aws_allows() {
    let mut sim = fleet();
    sim.db.rows.clear();
    applies(&mut sim);
    assert_eq!(tasks(&sim), 0);
}

#[test]
fn a_sync_writes_the_rows_of_parts() {
    let mut sim = fleet();
    let (lb, grp) = (only(&sim, "balancer"), only(&sim, "grp"));
    let id = sim.cell("balancer", &lb, "balancer_id");
    let default = sim.pk("grp", "name", &json!("default"));
    let ids = [&default, &grp].map(|pk| sim.cell("grp", pk, "grp_id"));
    drift(&mut sim, "balancer", &plain(&id), "seat", json!([[ids[0], 5], [ids[1], 1]]));
    assert_eq!(synced(&mut sim), ["update balancer lb [seat]"]);
    assert_eq!(sim.cell("balancer", &lb, "seat"), json!([[default, 5], [grp, 1]]));
    sim.in_sync();
    sim.settled();
}

#[test]
fn what_a_part_out_of_sight_may_refer_to_is_not_removed() {
    let mut sim = fleet();
    let (lb, grp) = (only(&sim, "balancer"), only(&sim, "grp"));
    sim.edit("balancer", &lb, "seat", json!([]));
    sim.delete("grp", &grp);
    let world = sim.world(&[unread(&tables::BALANCER, "r1")]);
    assert_eq!(said(&world, &plan::plan(&world)), Vec::<String>::new());
    in_order(&sim, &[("update", "balancer"), ("delete", "grp")]);
    applies(&mut sim);
}

#[test]
fn a_listener_is_there_before_others_use_its_target() {
    let mut sim = fleet();
    sim.insert("target", "r1", json!({"name": "shop", "port": 80}));
    let cells = json!({"balancer_name": "lb", "port": 81, "target_name": "shop"});
    sim.insert("listener", "r1", cells);
    let cells = json!({"name": "shop", "task_id": only(&sim, "task"), "target_name": "shop"});
    sim.insert("service", "r1", cells);
    in_order(&sim, &[("create", "target"), ("create", "listener"), ("create", "service")]);
    applies(&mut sim);
}

#[test]
fn of_a_target_made_anew_the_listener_is_made_anew_and_the_service_only_updated() {
    let mut sim = fleet();
    let target = only(&sim, "target");
    sim.edit("target", &target, "port", json!(81));
    plans(
        &sim,
        &[
            "replace listener lb [target_name] follows target web",
            "replace target web [port] edited",
            "update service web [target_name] follows target web",
        ],
    );
    in_order(&sim, &[("delete", "listener"), ("delete", "target"), ("create", "target")]);
    in_order(&sim, &[("create", "target"), ("create", "listener"), ("update", "service")]);
    // The new one goes by the same name: only so can it be told that it is another one.
    let (_, plan) = sim.plan();
    let update = &plan.steps[step(&sim, "update", "service") as usize];
    let Action::Update { was, row } = &update.action else { unreachable!("an update") };
    assert_eq!((&was[2], &row[2]), (&Json::Null, &json!("web")));
    applies(&mut sim);
}

#[test]
fn what_is_not_to_lead_to_something_made_anew_lets_go_of_it_first() {
    let mut sim = fleet();
    for table in ["listener", "service"] {
        let pk = only(&sim, table);
        sim.edit(table, &pk, "target_name", json!(null));
    }
    let target = only(&sim, "target");
    sim.edit("target", &target, "port", json!(81));
    in_order(&sim, &[("update", "listener"), ("delete", "target"), ("create", "target")]);
    let (_, plan) = sim.plan();
    let update = &plan.steps[step(&sim, "update", "listener") as usize];
    let Action::Update { was, row } = &update.action else { unreachable!("an update") };
    assert_eq!((&was[2], &row[2]), (&json!("web"), &Json::Null));
    applies(&mut sim);
}

#[test]
fn what_revises_is_shown_as_an_update_and_keeps_its_row() {
    let mut sim = fleet();
    let task = only(&sim, "task");
    let old = sim.cell("task", &task, "task_id");
    sim.edit("task", &task, "box", json!([["web", "web", "new"]]));
    plans(&sim, &["update task web [box] edited", "update service web [task_id] follows task web"]);
    in_order(&sim, &[("create", "task"), ("update", "service"), ("delete", "task")]);
    let (_, plan) = sim.plan();
    let Action::Create { was: Some(was), .. } = &plan.steps[0].action else {
        panic!("the next revision begins with the one before: {:?}", plan.steps[0]);
    };
    assert_eq!(was[3], old);
    applies(&mut sim);
    assert_eq!(tasks(&sim), 1);
    assert_ne!(sim.cell("task", &task, "task_id"), old);
}

#[test]
fn wherever_an_apply_ends_one_revision_is_left() {
    let mut sim = fleet();
    let task = only(&sim, "task");
    sim.edit("task", &task, "box", json!([["web", "web", "new"]]));
    let before = sim.cloud.clone();
    let mut ends = BTreeSet::new();
    for fail in 0..300 {
        // Committed before the apply or after it, rolled back, or nobody knows.
        for fate in 0..5 {
            let mut sim = sim.clone();
            if fate < 3 {
                sim.commit();
            }
            let how = How { fail: Some(fail), warn: true, ..How::default() };
            ends.extend(sim.apply(&how).failed);
            match fate {
                0 => sim.commit(),
                1 | 3 => sim.rollback(true),
                _ => sim.rollback(false),
            }
            let again = sim.apply_all();
            assert!(again.whole(), "{fail} {fate}: {:?} {:?}", again.plan.problems, again.failed);
            assert_eq!(tasks(&sim), 1, "{fail} {fate}");
            sim.settled();
            sim.rows_match_cloud(false);
            sim.nothing_left_over(&before);
            let words = if fate < 3 { "new" } else { "old" };
            assert_eq!(sim.cell("task", &task, "box")[0][2], words, "{fail} {fate}");
        }
    }
    let boundaries = (0..3).flat_map(|at| [(at, "refused"), (at, "the answer was lost")]);
    let boundaries = boundaries.map(|(at, why)| (at, why.to_owned())).collect();
    assert!(ends.is_superset(&boundaries), "{ends:?}");
}

#[test]
fn of_several_revisions_made_for_one_row_one_is_left() {
    for known in [true, false] {
        let mut sim = fleet();
        let task = only(&sim, "task");
        let before = sim.cloud.clone();
        for words in ["one", "two"] {
            sim.edit("task", &task, "box", json!([["web", "web", words]]));
            // The service stays with the old one, so that one stays, too.
            let stuck = (0..2000).find(|&fail| {
                let how = How { fail: Some(fail), warn: true, ..How::default() };
                let failed = sim.clone().apply(&how).failed;
                failed.len() == 1 && failed[0].1 == "refused" && {
                    let at = failed[0].0;
                    step(&sim, "update", "service") == at
                }
            });
            sim.apply(&How { fail: stuck, warn: true, ..How::default() });
            sim.rollback(known);
        }
        assert!(tasks(&sim) > 1);
        sim.edit("task", &task, "box", json!([["web", "web", "three"]]));
        applies(&mut sim);
        assert_eq!(tasks(&sim), 1, "{known}");
        sim.nothing_left_over(&before);
    }
}

#[test]
fn what_is_listed_by_id_can_not_go_before_it_is_taken_off_the_list() {
    let mut sim = fleet();
    let part = only(&sim, "part");
    let id = plain(&sim.cell("part", &part, "part_id"));
    let says = |sim: &Sim, verb: &str, label: &str| {
        let problems: Vec<String> = sim.plan().1.problems.into_iter().map(|it| it.1).collect();
        let words = format!(
            "names {id} in part_ids, and apply would {verb} that part ({label}): take it out of \
             part_ids first"
        );
        assert_eq!(problems, [words.clone(), words], "the balancer and the service");
    };
    let mut gone = sim.clone();
    gone.delete("part", &part);
    says(&gone, "delete", "net-1 10.0.1.0/24");
    for table in ["balancer", "service"] {
        let pk = only(&gone, table);
        gone.edit(table, &pk, "part_ids", Json::Null);
        in_order(&gone, &[("update", table), ("delete", "part")]);
    }
    applies(&mut gone);
    sim.edit("part", &part, "range", json!("10.0.2.0/24"));
    says(&sim, "replace", "net-1 10.0.2.0/24");
}

#[test]
fn what_something_out_of_sight_lists_by_id_is_not_removed() {
    let mut sim = fleet();
    let part = only(&sim, "part");
    for table in ["balancer", "service"] {
        let pk = only(&sim, table);
        sim.edit(table, &pk, "part_ids", Json::Null);
    }
    sim.delete("part", &part);
    let world = sim.world(&[unread(&tables::SERVICE, "r1")]);
    let lines = said(&world, &plan::plan(&world));
    assert_eq!(lines, ["update balancer lb [part_ids] edited"]);
}

#[test]
fn what_can_not_be_a_row_any_more_is_not_deleted_for_that() {
    let mut sim = fleet();
    // Somebody makes the target anew: what the service uses is gone.
    let at = sim.cloud.find(
        "listener",
        "r1",
        &plain(&sim.cell("listener", &only(&sim, "listener"), "listener_id")),
    );
    sim.cloud.delete(at.expect("a listener")).expect("it can be deleted");
    let id = plain(&sim.cell("target", &only(&sim, "target"), "target_id"));
    vanish(&mut sim, "target", &id);
    let service = only(&sim, "service");
    sim.delete("service", &service);
    sim.sync(&[]);
    plans(&sim, &[]);
    sim.settled();
}

#[test]
fn documents_by_name_compare_by_meaning() {
    let mut sim = fleet();
    let eve = only(&sim, "person");
    let papers = |action: Json| json!({"a": {"Statement": {"Action": action}}});
    sim.edit("person", &eve, "papers", papers(json!(["s3:Get"])));
    plans(&sim, &["update person eve [papers] edited"]);
    applies(&mut sim);
    sim.edit("person", &eve, "papers", papers(json!("S3:get")));
    plans(&sim, &[]);
    sim.edit("person", &eve, "papers", json!({}));
    applies(&mut sim);
    sim.edit("person", &eve, "papers", Json::Null);
    plans(&sim, &[]);
}

#[test]
fn a_restored_dump_has_nothing_to_do() {
    let mut sim = furnished();
    sim.dump_and_restore();
    sim.settled();
    sim.in_sync();
}

#[test]
fn the_sql_of_a_table() {
    let all = tables::ALL;
    let sql = ddl::module(&[&tables::POLICY, &tables::POOL], &all);
    expect_test::expect_file!["pool.sql"].assert_eq(&sql);
}
