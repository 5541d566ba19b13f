//! A tiny cloud and a tiny database, and between them what the backend and its worker do.

pub mod cloud;
pub mod database;
pub mod script;
pub mod sim;
pub mod tables;
