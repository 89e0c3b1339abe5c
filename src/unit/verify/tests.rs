//! Findings beyond the language, with their places.
