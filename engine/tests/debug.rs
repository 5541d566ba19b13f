mod common;
use common::script::*;
use common::sim::*;
#[test]
fn debug() {
    let mut sim = furnished();
    for op in [Op::Edit { row: 32, column: 0, value: 1 }, Op::Delete { row: 40 }, Op::Delete { row: 47 }] {
        let before = sim.db.clone();
        happen(&mut sim, &op);
        for (k, r) in &before.rows { if sim.db.rows.get(k) != Some(r) { println!("{op:?} {k:?} {:?} -> {:?}", r.row, sim.db.rows.get(k).map(|r| &r.row)); } }
    }
    let (w, p) = sim.plan();
    for (n, t) in &sim.cloud.things { println!("{n} {} {:?}", t.table.name, t.row); }
    for (i, n) in w.nodes.iter().enumerate() { println!("{i} {} w{:?} b{:?} s{:?} {}", w.table(i).name, n.wanted.as_ref().map(|x| (&x.pk, &x.row)), n.base.as_ref().map(|b| (&b.pk, &b.cloud_id)), n.seen.as_ref().map(|s| &s.row), n.parted); }
    println!("{:#?}", said(&w, &p));
}
