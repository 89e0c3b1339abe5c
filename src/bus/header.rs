//! How many descriptors a message says that it has: all that has to be known of its header before
//! zbus takes it apart (D-Bus specification, "Message Format").

/// What stands before the fields: fixed values, and the length of the fields.
const FIXED: usize = 16;
/// The field UNIX_FDS.
const UNIX_FDS: u8 = 9;

/// The number of descriptors; 0 if the header does not say, or is none.
pub(super) fn descriptors(message: &[u8]) -> usize {
    search(message).unwrap_or(0)
}

fn search(message: &[u8]) -> Option<usize> {
    let little = message.first()? == &b'l';
    let number = |at: usize| {
        let bytes: [u8; 4] = message.get(at..at.checked_add(4)?)?.try_into().ok()?;
        let number = match little {
            true => u32::from_le_bytes(bytes),
            false => u32::from_be_bytes(bytes),
        };
        usize::try_from(number).ok()
    };
    let end = FIXED.checked_add(number(12)?)?;
    let mut at = FIXED;
    while at < end {
        // Each field begins at a multiple of eight: its code, and a variant.
        at = at.checked_next_multiple_of(8)?;
        let code = *message.get(at)?;
        let [length, kind, 0] = *message.get(at + 1..at + 4)?.first_chunk()? else {
            return None;
        };
        // All fields there are have types of one letter.
        if length != 1 {
            return None;
        }
        let value = at + 4;
        at = match kind {
            b'u' if code == UNIX_FDS => return number(value),
            b'u' => value + 4,
            // Text has its length before it and a zero behind.
            b's' | b'o' => value.checked_add(number(value)?)?.checked_add(5)?,
            b'g' => value + usize::from(*message.get(value)?) + 2,
            _ => return None,
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use zbus::{Fd, Message};

    fn bytes(message: &Message) -> Vec<u8> {
        message.data().to_vec()
    }

    #[test]
    fn as_many_as_it_says() {
        let null = File::open("/dev/null").unwrap();
        for count in [1, 2, 16] {
            let list: Vec<Fd<'_>> = (0..count).map(|_| Fd::from(&null)).collect();
            let call = Message::method_call("/a/b", "Method").destination("org.example.A");
            let call = call.interface("org.example.B");
            let message = call.build(&("text", list)).unwrap();
            assert_eq!(descriptors(&bytes(&message)), count);
        }
    }

    #[test]
    fn none_in_most_messages_and_in_what_is_none() {
        let signal = Message::signal("/", "org.example.A", "B");
        let message = bytes(&signal.build(&"text").unwrap());
        assert_eq!(descriptors(&message), 0);
        for length in 0..message.len() {
            assert_eq!(descriptors(&message[..length]), 0);
        }
        for byte in 0..message.len() {
            let mut damaged = message.clone();
            damaged[byte] = 0xff;
            descriptors(&damaged);
        }
        assert_eq!(descriptors(&[0xff; 64]), 0);
    }
}
