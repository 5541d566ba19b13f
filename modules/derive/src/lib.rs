//! `#[derive(Resource)]`: a struct becomes a table.
//!
//! From the struct of a resource it writes `impl Cells`: the constant [`Table`] that the DDL, the
//! documentation and the plan follow from, and the mapping between struct and row. SQL type,
//! comparison and references come from the types of the fields (`cloud/cell.rs`); what a type cannot
//! say stands in attributes; the doc comments are the user's documentation and therefore mandatory.
//!
//! ```text
//! /// A private image repository.
//! #[derive(Debug, Clone, Resource)]
//! #[resource(reads("ecr:DescribeRepositories"), writes("ecr:CreateRepository", ...))]
//! pub struct Repository {
//!     /// Its name, unique in its region.
//!     #[column(key)]
//!     #[check(sql = "length(NEW.repository_name) > 1", message = "...", hint = "...")]
//!     pub repository_name: String,
//!     ...
//! }
//! ```
//!
//! On the struct, `#[resource(...)]` takes:
//! - `table = "..."`, `module = "..."`: instead of the struct's name in snake case and of the module
//!   the file is in
//! - `global`: one per account; otherwise one per region
//! - `primary_key = "..."`, `exclusive`, `create_first`, `read_back`, `import_only`: see `Table`
//! - `birth(table = "...", parent = "...", cells(name = literal, ...), kept)`: see `Birth`
//! - `reads("service:Action", ...)`, `writes(...)`: the IAM actions its calls need
//!
//! On a field, `#[column(...)]` takes `key`, `id`, `created`, `late`, `fixed`, `read_only`,
//! `not_null`, `open`, `becomes = "SQL"`, `request`, `waiver`, `some`, `loose`, `enables` (see `Column`),
//! `default = "SQL"`, `labels("A", "B")`, and for references `when_null = "..."` and `cascade`.
//!
//! `#[check(sql = "...", message = "...", hint = "...")]` stands on the struct or on the field it is
//! about, any number of times. Columns of some types bring checks along (`rules.rs`).
//!
//! [`Table`]: ../iasql_engine/table/struct.Table.html

mod attributes;
mod expand;
mod rules;

use proc_macro::TokenStream;

/// Makes a table of a struct; see the top of this file.
#[proc_macro_derive(Resource, attributes(resource, column, check))]
pub fn resource(input: TokenStream) -> TokenStream {
    let input = syn::parse_macro_input!(input as syn::DeriveInput);
    expand::resource(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}
