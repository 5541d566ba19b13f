//! The cloud: everything that touches AWS, and nothing that touches PostgreSQL.
//!
//! A module is a folder, a resource a file in it. [`MODULES`] is the one list of them; the SQL
//! functions, the schema, the documentation and the IAM policies are all made from it. What resources
//! have in common is in [`cloud`].

pub mod cloud;
mod prelude;

#[cfg(feature = "aws_account")]
pub mod aws_account;
#[cfg(feature = "aws_cloudwatch")]
pub mod aws_cloudwatch;
#[cfg(feature = "aws_ecr")]
pub mod aws_ecr;
#[cfg(feature = "aws_ecs_fargate")]
pub mod aws_ecs_fargate;
#[cfg(feature = "aws_elb")]
pub mod aws_elb;
#[cfg(feature = "aws_iam")]
pub mod aws_iam;
#[cfg(feature = "aws_security_group")]
pub mod aws_security_group;
#[cfg(feature = "aws_vpc")]
pub mod aws_vpc;

use cloud::Erased;
use iasql_engine::table::Table;
use std::iter;

/// Something to install: tables that belong together.
pub struct Module {
    /// Its name, `aws_ecr`.
    pub name: &'static str,
    /// Its version; users may write `aws_ecr@0.1.0`.
    pub version: &'static str,
    /// What it is for.
    pub doc: &'static str,
    /// The modules whose tables its own refer to.
    pub depends: &'static [&'static str],
    /// Its tables, each after those it refers to; those of parts follow from them.
    pub resources: &'static [&'static dyn Erased],
    /// Its tables in SQL, written by [`iasql_engine::ddl`].
    pub schema: &'static str,
    /// What is no table, written by hand; run after `schema`.
    pub extra: &'static str,
}

impl Module {
    /// Its tables in SQL: those of its resources, each before those of its parts.
    pub fn tables(&self) -> impl Iterator<Item = &'static Table> {
        let tables = self.resources.iter().map(|resource| resource.table());
        tables.flat_map(|table| iter::once(table).chain(table.parts().map(|(_, part)| part)))
    }
}

/// Modules have the version of the extension that brings them.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// All modules of this build, in the order of their names.
pub const MODULES: &[Module] = &[
    #[cfg(feature = "aws_account")]
    aws_account::MODULE,
    #[cfg(feature = "aws_cloudwatch")]
    aws_cloudwatch::MODULE,
    #[cfg(feature = "aws_ecr")]
    aws_ecr::MODULE,
    #[cfg(feature = "aws_ecs_fargate")]
    aws_ecs_fargate::MODULE,
    #[cfg(feature = "aws_elb")]
    aws_elb::MODULE,
    #[cfg(feature = "aws_iam")]
    aws_iam::MODULE,
    #[cfg(feature = "aws_security_group")]
    aws_security_group::MODULE,
    #[cfg(feature = "aws_vpc")]
    aws_vpc::MODULE,
];

/// The module of a name.
pub fn module(name: &str) -> Option<&'static Module> {
    MODULES.iter().find(|module| module.name == name)
}

/// The tables of all modules.
pub fn resources() -> impl Iterator<Item = &'static dyn Erased> {
    MODULES.iter().flat_map(|module| module.resources.iter().copied())
}

/// The resource behind a table.
pub fn resource(table: &str) -> Option<&'static dyn Erased> {
    resources().find(|resource| resource.table().name == table)
}

#[cfg(test)]
mod tests;
