//! Messages of the line protocol: one command a line, with arguments that are numbers, words, quoted texts or blocks of bytes
//! (IEEE 488.2, 7.7.6: `#`, the number of digits, the number of bytes in so many digits, the bytes).

use std::io::{self, BufRead, Read};

/// Longest line or block that is taken, bytes.
const MAX_BYTES: usize = 1 << 28;

/// One command.
pub struct Message {
    /// The header, such as `SYST:ERR?`.
    pub header: String,
    /// What follows it, parted by commas.
    pub arguments: Vec<Argument>,
}

/// One argument.
pub enum Argument {
    /// As it was written.
    Text(String),
    /// A block.
    Block(Vec<u8>),
}

/// The next message. `None` at the end.
///
/// # Errors
/// The transport's; `InvalidData` for what is no message, after which nothing can be read any more.
pub fn read(from: &mut impl BufRead) -> io::Result<Option<Message>> {
    let mut text = Vec::new();
    let mut arguments: Vec<Argument> = Vec::new();
    let mut block: Option<Vec<u8>> = None;
    let mut quoted = false;
    loop {
        let mut byte = [0];
        if from.read(&mut byte)? == 0 {
            return if text.is_empty() && arguments.is_empty() {
                Ok(None)
            } else {
                Err(wrong("a line without its end"))
            };
        }
        match byte[0] {
            b'\n' => {
                push(&mut arguments, &mut text, block.take())?;
                return message(arguments).map(Some);
            }
            b'"' => {
                quoted = !quoted;
                text.push(b'"');
            }
            b',' if !quoted => push(&mut arguments, &mut text, block.take())?,
            b'#' if !quoted => block = Some(read_block(from)?),
            other => text.push(other),
        }
        if text.len() > MAX_BYTES {
            return Err(wrong("a line that does not end"));
        }
    }
}

/// The first of the arguments has the header before it.
fn message(mut arguments: Vec<Argument>) -> io::Result<Message> {
    let Argument::Text(first) = &mut arguments[0] else {
        return Err(wrong("a block without a command"));
    };
    let first = std::mem::take(first);
    let (header, rest) = first.split_once([' ', '\t']).unwrap_or((&first, ""));
    if rest.trim().is_empty() {
        arguments.remove(0);
    } else {
        arguments[0] = Argument::Text(rest.trim().to_owned());
    }
    Ok(Message { header: header.to_owned(), arguments })
}

fn push(arguments: &mut Vec<Argument>, text: &mut Vec<u8>, block: Option<Vec<u8>>) -> io::Result<()> {
    let written = std::mem::take(text);
    let written = String::from_utf8(written).map_err(|_| wrong("a text that is not UTF-8"))?;
    let written = written.trim();
    match block {
        // A header may stand before the first argument.
        Some(block) => {
            if !written.is_empty() || arguments.is_empty() {
                arguments.push(Argument::Text(format!("{written} ")));
            }
            arguments.push(Argument::Block(block));
        }
        None => arguments.push(Argument::Text(written.to_owned())),
    }
    Ok(())
}

fn read_block(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut digit = [0];
    from.read_exact(&mut digit)?;
    let digits =
        char::from(digit[0]).to_digit(10).filter(|n| *n > 0).ok_or_else(|| wrong("a block without a length"))?;
    let mut length = vec![0; digits as usize];
    from.read_exact(&mut length)?;
    let length = String::from_utf8(length).ok().and_then(|text| text.parse().ok());
    let length = length.filter(|n| *n <= MAX_BYTES).ok_or_else(|| wrong("a block of impossible length"))?;
    let mut bytes = vec![0; length];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// A block with these bytes.
pub fn block(bytes: &[u8]) -> Vec<u8> {
    let length = bytes.len().to_string();
    let mut out = format!("#{}{length}", length.len()).into_bytes();
    out.extend_from_slice(bytes);
    out
}

/// Numbers as a block of doubles, the lowest byte first.
pub fn block_of(numbers: &[f64]) -> Vec<u8> {
    let bytes: Vec<u8> = numbers.iter().flat_map(|v| v.to_le_bytes()).collect();
    block(&bytes)
}

/// A number in writing, exact; SCPI's values stand for what is none (SCPI 1999, volume 1, 7.2.1.4 and 7.2.1.5).
pub fn written(number: f64) -> String {
    match number {
        n if n.is_nan() => "9.91E37".into(),
        f64::INFINITY => "9.9E37".into(),
        f64::NEG_INFINITY => "-9.9E37".into(),
        n => format!("{n:?}"),
    }
}

/// Numbers in writing, parted by commas.
pub fn list_of(numbers: &[f64]) -> String {
    numbers.iter().map(|n| written(*n)).collect::<Vec<_>>().join(",")
}

/// A text in quotes.
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\"").replace(['\n', '\r'], " "))
}

/// The numbers of data: one block of doubles, or a list.
pub fn numbers(arguments: &[Argument]) -> Option<Vec<f64>> {
    if let [Argument::Block(bytes)] = arguments {
        let (words, rest) = bytes.as_chunks::<8>();
        return rest.is_empty().then(|| words.iter().map(|word| f64::from_le_bytes(*word)).collect());
    }
    let number = |argument: &Argument| match argument {
        Argument::Text(text) => number(text),
        Argument::Block(_) => None,
    };
    arguments.iter().map(number).collect()
}

fn number(text: &str) -> Option<f64> {
    let value: f64 = text.parse().ok()?;
    Some(match value {
        9.9e37 => f64::INFINITY,
        -9.9e37 => f64::NEG_INFINITY,
        9.91e37 => f64::NAN,
        other => other,
    })
}

/// True if a header is that of a pattern such as `SYSTem:ERRor?`, in its short form (the capitals) or its long one.
pub fn is(header: &str, pattern: &str) -> bool {
    let header = header.strip_prefix(':').unwrap_or(header);
    let query = |text: &str| text.ends_with('?');
    let words = |text: &str| text.trim_end_matches('?').split(':').map(str::to_owned).collect::<Vec<_>>();
    let (header_words, pattern_words) = (words(header), words(pattern));
    query(header) == query(pattern)
        && header_words.len() == pattern_words.len()
        && header_words.iter().zip(&pattern_words).all(|(word, whole)| {
            let short: String = whole.chars().filter(|c| !c.is_ascii_lowercase()).collect();
            word.eq_ignore_ascii_case(whole) || word.eq_ignore_ascii_case(&short)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(bytes: &[u8]) -> Message {
        read(&mut &bytes[..]).unwrap().unwrap()
    }

    #[test]
    fn headers_in_both_forms() {
        for header in ["SYST:ERR?", "syst:err?", "SYSTem:ERRor?", ":SYSTEM:ERR?"] {
            assert!(is(header, "SYSTem:ERRor?"), "{header}");
        }
        for header in ["SYST:ERR", "SYS:ERR?", "SYST:ERRO?", "SYST?", "SYST:ERR:NEXT?"] {
            assert!(!is(header, "SYSTem:ERRor?"), "{header}");
        }
        assert!(is("*IDN?", "*IDN?"));
    }

    #[test]
    fn numbers_in_writing_and_in_blocks_are_exact() {
        let values = [0.1, -1e-300, 2f64.powi(70), f64::MIN_POSITIVE, f64::INFINITY, f64::NEG_INFINITY, 1.0 / 3.0];
        let text = format!("PAR:VAL {}\n", list_of(&values));
        assert_eq!(numbers(&parsed(text.as_bytes()).arguments).unwrap(), values);
        let mut bytes = b"PAR:VAL ".to_vec();
        bytes.extend(block_of(&values));
        bytes.push(b'\n');
        let message = parsed(&bytes);
        assert_eq!(message.header, "PAR:VAL");
        assert_eq!(numbers(&message.arguments).unwrap(), values);
        assert!(numbers(&parsed(b"PAR:VAL #13abc\n").arguments).is_none(), "no whole number of doubles");
        assert!(numbers(&parsed(b"X 9.91E37\n").arguments).unwrap()[0].is_nan());
    }

    #[test]
    fn blocks_hold_whatever_they_hold() {
        let message = parsed(b"MEAS:VECT? 3,1,#14\n,#\"\nrest");
        assert_eq!((message.header.as_str(), message.arguments.len()), ("MEAS:VECT?", 3));
        assert!(matches!(&message.arguments[2], Argument::Block(bytes) if bytes == b"\n,#\""));
        assert!(matches!(&parsed(b"A \"x,\"\"y\"\"\"\n").arguments[0], Argument::Text(t) if t == "\"x,\"\"y\"\"\""));
        assert!(parsed(b"*IDN?\r\n").arguments.is_empty());
        for wrong in ["#0\n", "A #\n", "A #15abc", "A", "A #9999999999xx\n"] {
            assert!(read(&mut wrong.as_bytes()).is_err(), "{wrong}");
        }
        assert!(read(&mut &b""[..]).unwrap().is_none());
    }
}
