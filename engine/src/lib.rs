//! The reconciler: rows wanted, base and seen in; an ordered plan of changes out.
//!
//! Pure functions over plain values. Nothing here knows PostgreSQL, AWS, async or I/O, and nothing
//! fails on data: what cannot be done comes back as a problem in the plan.
//!
//! - [`table`]: the vocabulary a resource is declared with
//! - [`compare`]: when two values mean the same
//! - [`ddl`]: the SQL of a table
//! - [`world`]: which wanted row, base row and seen resource are one and the same thing
//! - [`near`]: what has to be looked at for what was edited
//! - [`print`]: whether anything has changed at all, and which tables that concerns
//! - [`plan`]: what apply would do to the cloud
//! - [`order`]: what has to wait for what
//! - [`sync`]: what sync would do to the rows
//! - [`writes`]: what has to be written to the database
//! - [`wire`]: what the caller's backend and its worker say to each other
//! - [`frame`]: how that travels

pub mod compare;
pub mod ddl;
pub mod frame;
pub mod near;
pub mod order;
pub mod plan;
pub mod print;
pub mod sync;
pub mod table;
pub mod wire;
pub mod world;
pub mod writes;

pub use serde_json::Value;

/// The cells of one resource, in the order of its table's columns. A reference holds, depending on
/// who speaks, the row id (database terms), the cloud's id (cloud terms) or a node (engine terms).
pub type Row = Vec<Value>;

/// A row that is held once where several say the same: most rows are what was agreed on, and what
/// is seen.
pub type Shared = std::sync::Arc<Row>;
