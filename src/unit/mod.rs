//! Unit files: text to typed configuration, with the place of every finding.
//!
//! Pure: no clock, no environment, no file access (files come through
//! [`load::Source`]), no unsafe code. Same text, same configuration, same diagnostics.
//!
//! Way of the data: `syntax` splits text into assignments with positions, `directive`
//! (one row per directive) parses values with `value`, `command`, `environment` and
//! `specifier` into `config`, `load` finds fragments, drop-ins and dependency links and adds
//! implicit dependencies.

#![forbid(unsafe_code)]

pub mod command;
pub mod compare;
pub mod config;
pub mod diagnostic;
pub mod directive;
pub mod dynamic_user;
pub mod effective;
pub mod environment;
pub mod escape;
pub mod expand;
pub mod install;
pub mod load;
pub mod name;
pub mod specifier;
pub mod syntax;
pub mod transient;
pub mod value;
pub mod verify;
pub mod words;
