//! The platforms' own documents, run: every command of the guides in `guides/`, against a real server and with the real `curl`,
//! and every answer that is printed below one.
//!
//! Replaced are hosts, keys and ids, and nothing else. Compared are the status, the names of all fields, their types, and
//! every value but ids, times and how long something took.

mod answers;
mod commands;
mod guide;
mod keys;
mod platforms;
mod receivers;
mod words;
