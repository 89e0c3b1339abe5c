//! Access to devices, network addresses and ports (systemd.resource-control(5), DeviceAllow=,
//! IPAddressAllow= and SocketBindAllow=).

use super::{After, Before, items};
use crate::unit::directive::parse;
use crate::unit::directive::read::{Reading, Trouble};
use crate::unit::directive::row::PropertyValue;
// From core: a value that knows nothing of the network.
use core::net::IpAddr;

/// DeviceAllow=: a device and what may be done with it, everything if nothing is said:
/// `a(ss)`.
pub(in crate::unit::directive) fn devices(
    reading: &mut Reading<'_>,
    value: &str,
    before: Before<'_>,
) -> After {
    if value.is_empty() {
        return Ok(None);
    }
    let words = parse::words(reading, value)?;
    let mut list = items(before);
    if let [(_, device), rest @ ..] = words.as_slice() {
        let how = rest.first().map_or("rwm", |(_, how)| how.as_str());
        let groups = ["char-", "block-"];
        let is_group = groups.iter().any(|kind| device.starts_with(kind));
        if !is_group && !device.starts_with("/dev/") {
            let message = format!("\"{device}\" is neither below /dev nor a group of devices");
            return Err(Trouble::ignored(message));
        }
        if how.is_empty() || !how.chars().all(|c| "rwm".contains(c)) {
            let message = format!("\"{how}\" is no access to a device (r, w, m)");
            return Err(Trouble::ignored(message));
        }
        // systemd shows the last one first.
        list.insert(0, allowed(device, how));
    }
    Ok(Some(PropertyValue::Array(list)))
}

/// One entry of DeviceAllow=.
pub(in crate::unit::directive) fn allowed(device: &str, how: &str) -> PropertyValue {
    PropertyValue::Struct(vec![parse::text(device), parse::text(how)])
}

const LOOPBACK: [&str; 2] = ["127.0.0.0/8", "::1/128"];
const LINK_LOCAL: [&str; 2] = ["169.254.0.0/16", "fe80::/64"];
const MULTICAST: [&str; 2] = ["224.0.0.0/4", "ff00::/8"];
const ANY: [&str; 2] = ["0.0.0.0/0", "::/0"];

/// IPAddressAllow= and IPAddressDeny=: `a(iayu)`, family, address, length of the prefix.
pub(in crate::unit::directive) fn addresses(
    reading: &mut Reading<'_>,
    value: &str,
    before: Before<'_>,
) -> After {
    if value.is_empty() {
        return Ok(None);
    }
    let words = parse::words(reading, value)?;
    let mut list = items(before);
    for (offset, word) in words {
        let prefixes: &[&str] = match word.as_str() {
            "any" => &ANY,
            "localhost" => &LOOPBACK,
            "link-local" => &LINK_LOCAL,
            "multicast" => &MULTICAST,
            other => &[other],
        };
        for prefix in prefixes {
            match read_prefix(prefix) {
                Some(entry) if !list.contains(&entry) => list.push(entry),
                Some(_) => {}
                None => reading.warn(offset, &format!("\"{word}\" is not an address, ignored")),
            }
        }
    }
    Ok(Some(PropertyValue::Array(list)))
}

fn read_prefix(text: &str) -> Option<PropertyValue> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length.parse::<u32>().ok()?)),
        None => (text, None),
    };
    let (family, bytes) = match address.parse().ok()? {
        IpAddr::V4(address) => (2, address.octets().to_vec()),
        IpAddr::V6(address) => (10, address.octets().to_vec()),
    };
    let whole = u32::try_from(bytes.len() * 8).ok()?;
    let length = length.unwrap_or(whole);
    (length <= whole).then(|| {
        PropertyValue::Struct(vec![
            PropertyValue::I32(family),
            PropertyValue::Bytes(masked(bytes, length)),
            PropertyValue::U32(length),
        ])
    })
}

/// The address with the bits behind the prefix cleared.
fn masked(mut bytes: Vec<u8>, length: u32) -> Vec<u8> {
    for (index, byte) in bytes.iter_mut().enumerate() {
        let before = u32::try_from(index * 8).unwrap_or(u32::MAX);
        let kept = length.saturating_sub(before).min(8);
        *byte &= u8::try_from((0xff00u32 >> kept) & 0xff).unwrap_or(0);
    }
    bytes
}

/// As many rules as there may be of SocketBindAllow= or SocketBindDeny=.
const MOST_BIND_RULES: usize = 128;

/// SocketBindAllow= and SocketBindDeny=: `a(iiqq)`, family and protocol, 0 for any; number of
/// ports, 0 for all, and the first.
pub(in crate::unit::directive) fn bind_rules(
    _: &mut Reading<'_>,
    value: &str,
    before: Before<'_>,
) -> After {
    if value.is_empty() {
        return Ok(None);
    }
    let Some(rule) = bind_rule(value) else {
        let message = format!("\"{value}\" is no rule such as ipv4:tcp:1024-65535 or any");
        return Err(Trouble::ignored(message));
    };
    if matches!(before, Some(PropertyValue::Array(list)) if list.len() >= MOST_BIND_RULES) {
        let message = format!("more than {MOST_BIND_RULES} rules");
        return Err(Trouble::ignored(message));
    }
    let mut list = items(before);
    // systemd shows the last one first.
    list.insert(0, rule);
    Ok(Some(PropertyValue::Array(list)))
}

fn bind_rule(text: &str) -> Option<PropertyValue> {
    let (mut family, mut protocol, mut ports) = (0, 0, (0, 0));
    let mut parts = text.split(':').peekable();
    if text == "any" {
        parts.next();
    }
    if let Some(number) = parts.peek().and_then(|part| match *part {
        "ipv4" => Some(2),
        "ipv6" => Some(10),
        _ => None,
    }) {
        family = number;
        parts.next();
    }
    if let Some(number) = parts.peek().and_then(|part| match *part {
        "tcp" => Some(6),
        "udp" => Some(17),
        _ => None,
    }) {
        protocol = number;
        parts.next();
    }
    if let Some(range) = parts.next() {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last) = (first.parse::<u16>().ok()?, last.parse::<u16>().ok()?);
        if first == 0 || last < first {
            return None;
        }
        // All ports are one less than 2^16.
        ports = (last - first + 1, first);
    }
    parts.next().is_none().then(|| {
        PropertyValue::Struct(vec![
            PropertyValue::I32(family),
            PropertyValue::I32(protocol),
            PropertyValue::U32(ports.0.into()),
            PropertyValue::U32(ports.1.into()),
        ])
    })
}
