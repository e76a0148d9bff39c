//! A small HTTP client that costs next to nothing, so that what is measured is the server. One keep-alive connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use anyhow::{Context, bail};

pub struct Http {
    reader: BufReader<TcpStream>,
    /// The headers of every request, with their ends of line.
    headers: String,
}

/// An answer; its body is in the buffer that was given.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub etag: Option<String>,
    pub cookie: Option<String>,
}

impl Http {
    pub fn connect(address: SocketAddr, headers: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let headers = format!("Host: localhost\r\n{headers}");
        Ok(Self { reader: BufReader::with_capacity(1 << 16, stream), headers })
    }

    pub fn get(&mut self, path: &str, body: &mut Vec<u8>) -> anyhow::Result<Answer> {
        self.get_with(path, "", body)
    }

    /// A GET with more headers.
    pub fn get_with(&mut self, path: &str, headers: &str, body: &mut Vec<u8>) -> anyhow::Result<Answer> {
        let request = format!("GET {path} HTTP/1.1\r\n{}{headers}\r\n", self.headers);
        self.reader.get_mut().write_all(request.as_bytes())?;
        self.answer(body)
    }

    pub fn post_json(&mut self, path: &str, json: &str, body: &mut Vec<u8>) -> anyhow::Result<Answer> {
        let request = format!(
            "POST {path} HTTP/1.1\r\n{}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{json}",
            self.headers,
            json.len()
        );
        self.reader.get_mut().write_all(request.as_bytes())?;
        self.answer(body)
    }

    fn answer(&mut self, body: &mut Vec<u8>) -> anyhow::Result<Answer> {
        let (mut answer, length) = self.head()?;
        body.clear();
        match length {
            Some(length) => {
                body.resize(length, 0);
                self.reader.read_exact(body)?;
            }
            None if answer.status == 304 => {}
            None => bail!("an answer without a length"),
        }
        if answer.status >= 400 {
            bail!("status {}: {}", answer.status, String::from_utf8_lossy(body));
        }
        answer.cookie = answer.cookie.and_then(|cookie| cookie.split(';').next().map(str::to_owned));
        Ok(answer)
    }

    fn head(&mut self) -> anyhow::Result<(Answer, Option<usize>)> {
        let mut line = String::new();
        self.reader.read_line(&mut line)?;
        let status = line.split(' ').nth(1).context("the server closed the connection")?.parse()?;
        let (mut answer, mut length) = (Answer { status, etag: None, cookie: None }, None);
        loop {
            line.clear();
            self.reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(": ") else {
                return Ok((answer, length));
            };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = Some(value.parse()?),
                "etag" => answer.etag = Some(value.to_owned()),
                "set-cookie" => answer.cookie = Some(value.to_owned()),
                _ => {}
            }
        }
    }

    /// Asks with HTTP/1.0, whose answers end with the connection, and gives each line of the answer to `each`.
    pub fn lines(
        mut self,
        path: &str,
        mut each: impl FnMut(&str) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let request = format!("GET {path} HTTP/1.0\r\n{}\r\n", self.headers);
        self.reader.get_mut().write_all(request.as_bytes())?;
        let (answer, _) = self.head()?;
        if answer.status != 200 {
            bail!("status {}", answer.status);
        }
        let mut line = String::new();
        while self.reader.read_line(&mut line)? > 0 {
            each(line.trim_end())?;
            line.clear();
        }
        Ok(())
    }
}
