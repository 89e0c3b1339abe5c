//! The personality of this process (personality(2)).

use super::call::call;
use std::sync::OnceLock;

/// Asks for it instead of setting it.
const QUERY: usize = 0xffff_ffff;

/// What it is; asked for once, since nothing here changes it.
pub fn current() -> u32 {
    static CURRENT: OnceLock<u32> = OnceLock::new();
    *CURRENT.get_or_init(|| {
        // SAFETY: the call takes no address.
        let now = unsafe { call(libc::SYS_personality, [QUERY]) };
        // It fails for bad values only.
        now.map_or(0, |now| now as u32)
    })
}
