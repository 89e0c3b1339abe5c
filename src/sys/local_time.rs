//! The wall clock in the zone of TZ or /etc/localtime, by the C library.

use std::ffi::CStr;

/// A moment as people write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalTime {
    /// Year of our calendar.
    pub year: i32,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 (Sunday) to 6.
    pub weekday: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 60.
    pub second: u8,
    /// The zone's abbreviation, such as `CET`.
    pub zone: String,
}

/// The local time of so many seconds after the epoch; `None` if the year does not fit.
pub fn local_time(seconds: i64) -> Option<LocalTime> {
    // SAFETY: all-zero bytes are a valid `tm`: integers and a null pointer.
    let mut tm: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to live values of the right types; localtime_r writes only `tm`.
    let result = unsafe { libc::localtime_r(&raw const seconds, &raw mut tm) };
    if result.is_null() {
        return None;
    }
    let zone = if tm.tm_zone.is_null() {
        String::new()
    } else {
        // SAFETY: localtime_r sets tm_zone to a string that lives until the zone is set anew,
        // which nothing here does; it is copied at once.
        let zone = unsafe { CStr::from_ptr(tm.tm_zone) };
        zone.to_string_lossy().into_owned()
    };
    let small = |number: i32| u8::try_from(number).ok();
    Some(LocalTime {
        year: tm.tm_year.checked_add(1900)?,
        month: small(tm.tm_mon + 1)?,
        day: small(tm.tm_mday)?,
        weekday: small(tm.tm_wday)?,
        hour: small(tm.tm_hour)?,
        minute: small(tm.tm_min)?,
        second: small(tm.tm_sec)?,
        zone,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_epoch_is_within_a_day_of_1970() {
        let epoch = local_time(0).unwrap();
        assert!((1969..=1970).contains(&epoch.year), "{epoch:?}");
        assert!(!epoch.zone.is_empty());
        let later = local_time(86_400).unwrap();
        assert_eq!((epoch.weekday + 1) % 7, later.weekday);
        assert_eq!(local_time(i64::MAX), None);
    }
}
