//! A strict front between AWS clients and the emulator moto, for tests.
//!
//! `iasql-front --listen 127.0.0.1:0 --upstream http://127.0.0.1:5000 [--port-file F]`
//!
//! Moto answers most calls as AWS does, but lets pass much that AWS refuses, ignores paging, and has no
//! faults. The front stands before it and
//! - records each call ([`record`]),
//! - refuses what AWS refuses and mends what moto answers wrongly ([`rules`]),
//! - cuts lists into pages ([`page`]) and delays states ([`pending`], [`rules::ecs`]),
//! - stands in for public ECR, which no emulator has ([`ecr_public`]),
//! - turns moto's HTML pages for missing calls into a loud error ([`shape`]),
//! - injects faults ([`fault`]),
//! - is steered through `/_front/` ([`admin`]).
//!
//! Invariant: the front has no state of its own about what moto has; its rules ask moto. So a test
//! may also go to moto directly. All that is its own is public ECR and what time does: how far
//! deployments are, and when something was made.
//!
//! Not mended, among much else: moto's default VPC has no internet gateway, no default route and no
//! DHCP options, and no default security group has the rule that lets its members talk to each
//! other.

pub mod admin;
pub mod body;
pub mod ecr_public;
pub mod fault;
pub mod front;
pub mod history;
pub mod page;
pub mod pending;
pub mod record;
pub mod request;
pub mod rules;
pub mod shape;
pub mod upstream;
pub mod xml;
