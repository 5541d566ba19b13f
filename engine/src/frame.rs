//! How messages travel: as JSON, each with its length in four bytes before it.
//!
//! Nothing is believed of what arrives: a length alone takes no memory, and what is no message is an
//! error in words.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// No message is longer. `PostgreSQL` holds no value of more than a gigabyte, so no row is.
pub const LONGEST: usize = 1 << 30;

/// A message as it travels.
pub fn frame(message: &impl Serialize) -> Result<Vec<u8>, String> {
    let mut frame = vec![0; 4];
    serde_json::to_writer(&mut frame, message)
        .map_err(|error| format!("a message could not be written: {error}"))?;
    let length = frame.len() - 4;
    let head = u32::try_from(length).ok().filter(|_| length <= LONGEST);
    let head = head.ok_or_else(|| too_long(length))?;
    frame[..4].copy_from_slice(&head.to_le_bytes());
    Ok(frame)
}

/// What has arrived and has not been taken yet.
#[derive(Debug, Default)]
pub struct Inbox {
    bytes: Vec<u8>,
    taken: usize,
}

impl Inbox {
    /// More has arrived, cut wherever the way has cut it.
    pub fn put(&mut self, bytes: &[u8]) {
        self.bytes.drain(..std::mem::take(&mut self.taken));
        self.bytes.extend_from_slice(bytes);
    }

    /// The memory that it takes up.
    pub fn room(&self) -> usize {
        self.bytes.capacity()
    }

    /// The next message, if all of it has arrived. After an error nothing that follows makes sense.
    pub fn take<T: DeserializeOwned>(&mut self) -> Result<Option<T>, String> {
        let Some(body) = self.body()? else { return Ok(None) };
        let message = serde_json::from_slice(body)
            .map_err(|error| format!("a message makes no sense: {error}"))?;
        self.taken += 4 + body.len();
        Ok(Some(message))
    }

    /// Whether there is something to take, be it an error.
    pub fn has_one(&self) -> bool {
        !matches!(self.body(), Ok(None))
    }

    fn body(&self) -> Result<Option<&[u8]>, String> {
        let left = self.bytes.get(self.taken..).unwrap_or_default();
        let Some((head, rest)) = left.split_first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_le_bytes(*head) as usize;
        if length > LONGEST { Err(too_long(length)) } else { Ok(rest.get(..length)) }
    }
}

fn too_long(length: usize) -> String {
    format!("a message of {length} bytes is too long")
}
