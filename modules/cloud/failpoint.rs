//! Places where a test has a process stop, so as to be killed there, or a thread break off. Only with
//! the feature `failpoints`: without it there is nothing of this in the library.

use std::fs::{OpenOptions, read_to_string};
use std::io::{Result, Write};
use std::time::Duration;

/// In the directory of the process, which is the server's data directory.
const FILE: &str = "iasql.failpoints";

/// Passes a place, or stops there for ever.
#[inline(always)]
pub fn pass(place: &str) {
    if cfg!(feature = "failpoints") && stops(place).unwrap_or_default() {
        #[expect(clippy::disallowed_methods, reason = "it ends with its process, as it is to")]
        std::thread::sleep(Duration::MAX);
    }
}

/// Passes a place, or breaks off there.
#[inline(always)]
pub fn fall(place: &str) {
    let here = || read_to_string(FILE).is_ok_and(|text| text.lines().next() == Some(place));
    if cfg!(feature = "failpoints") && here() {
        panic!("a test has this thread break off");
    }
}

/// Writes down that a place is passed. The file begins with a line that names a place and which pass
/// of it is the last; without a file there is nothing to write and nowhere to stop.
fn stops(place: &str) -> Result<bool> {
    OpenOptions::new().append(true).open(FILE)?.write_all(format!("{place}\n").as_bytes())?;
    let text = read_to_string(FILE)?;
    let (last, passed) = text.split_once('\n').unwrap_or_default();
    let passes = passed.lines().filter(|it| *it == place).count();
    Ok(last == format!("{place} {passes}"))
}
