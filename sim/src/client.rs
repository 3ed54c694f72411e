//! A client as people use one: a connection to one of several nodes, one request at a time, a timeout, and the
//! next node in its list when the present one does not serve it. It tells what surely did not happen from
//! what it does not know.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use bytes::{Buf, BytesMut};
use squall_clock::Nanos;
use squall_net::{Address, Host};
use squall_resp::{Value, decode, encode_command};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::host::SimHost;
use crate::theatre::{Resident, Theatre};

pub struct Client<H: Host = SimHost> {
    host: H,
    nodes: Vec<Address>,
    current: usize,
    timeout: Nanos,
    stream: Option<H::Stream>,
    /// How many connections it has opened.
    opened: u64,
    input: BytesMut,
    output: BytesMut,
}

/// Why there is no reply.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CallError {
    /// The request never left.
    NotSent(String),
    /// The request left, and no answer came.
    Unanswered(String),
}

impl<H: Host> Client<H> {
    /// A client on `host` that begins with the first of `nodes`.
    pub fn to(host: &H, nodes: Vec<Address>, timeout: Nanos) -> Client<H> {
        assert!(!nodes.is_empty(), "a client needs a node to turn to");
        let (input, output) = (BytesMut::new(), BytesMut::new());
        Client { host: host.clone(), nodes, current: 0, timeout, stream: None, opened: 0, input, output }
    }

    /// Gives the present node up for the next in the list.
    pub fn turn_away(&mut self) {
        self.hang_up();
        self.current = (self.current + 1) % self.nodes.len();
    }

    /// Closes the connection; the next call opens another.
    pub fn hang_up(&mut self) {
        self.stream = None;
        self.input.clear();
    }

    /// Which of its connections the next request will be sent over; nothing where that will be another.
    pub fn connection(&self) -> Option<u64> {
        self.stream.as_ref().map(|_| self.opened)
    }

    /// Sends a request over the connection that there is, and waits for no reply.
    pub async fn say(&mut self, request: &[&[u8]]) -> Result<(), CallError> {
        self.output.clear();
        encode_command(&mut self.output, request.iter().copied());
        let (host, timeout) = (self.host.clone(), self.timeout);
        let Some(stream) = &mut self.stream else {
            return Err(CallError::NotSent("there is no connection".to_owned()));
        };
        match within(&host, timeout, stream.write_all(&self.output)).await {
            Some(Ok(())) => Ok(()),
            Some(Err(error)) => Err(CallError::Unanswered(error.to_string())),
            None => Err(CallError::Unanswered("timeout".to_owned())),
        }
    }

    /// What comes next over the connection, asked for or not; nothing where nothing comes within `patience`.
    pub async fn hear(&mut self, patience: Nanos) -> Result<Option<Value>, CallError> {
        if self.stream.is_none() {
            return Err(CallError::NotSent("there is no connection".to_owned()));
        }
        let host = self.host.clone();
        match within(&host, patience, self.next_value()).await {
            Some(Err(reason)) => {
                self.hang_up();
                Err(CallError::Unanswered(reason))
            }
            Some(Ok(value)) => Ok(Some(value)),
            None => Ok(None),
        }
    }

    /// Sends one request and waits for its reply.
    pub async fn call(&mut self, request: &[&[u8]]) -> Result<Value, CallError> {
        let mut replies = self.pipeline(&[request]).await?;
        Ok(replies.pop().expect("there is a reply to each request"))
    }

    /// Sends requests at once and waits for all replies; without an answer in time the connection is closed.
    pub async fn pipeline(&mut self, requests: &[&[&[u8]]]) -> Result<Vec<Value>, CallError> {
        self.output.clear();
        for request in requests {
            encode_command(&mut self.output, request.iter().copied());
        }
        let (timeout, host) = (self.timeout, self.host.clone());
        let opened = match self.stream {
            Some(_) => Ok(()),
            None => within(&host, timeout, self.open())
                .await
                .unwrap_or_else(|| Err("no connection in time".into())),
        };
        if let Err(reason) = opened {
            self.hang_up();
            return Err(CallError::NotSent(reason));
        }
        let exchanged = within(&host, timeout, self.exchange(requests.len())).await;
        match exchanged {
            Some(Ok(replies)) => Ok(replies),
            Some(Err(reason)) => {
                self.hang_up();
                Err(CallError::Unanswered(reason))
            }
            None => {
                self.hang_up();
                Err(CallError::Unanswered("timeout".to_owned()))
            }
        }
    }

    async fn open(&mut self) -> Result<(), String> {
        let stream = self.host.connect(&self.nodes[self.current], None).await;
        self.stream = Some(stream.map_err(|error| error.to_string())?);
        self.opened += 1;
        Ok(())
    }

    async fn exchange(&mut self, count: usize) -> Result<Vec<Value>, String> {
        let stream = self.stream.as_mut().expect("the connection was opened before");
        stream.write_all(&self.output).await.map_err(|error| error.to_string())?;
        let mut replies = Vec::with_capacity(count);
        while replies.len() < count {
            replies.push(self.next_value().await?);
        }
        Ok(replies)
    }

    async fn next_value(&mut self) -> Result<Value, String> {
        let stream = self.stream.as_mut().expect("the connection was opened before");
        loop {
            if let Some((value, len)) =
                decode(&self.input).map_err(|error| format!("not a reply: {error}"))?
            {
                self.input.advance(len);
                return Ok(value);
            }
            if stream.read_buf(&mut self.input).await.map_err(|error| error.to_string())? == 0 {
                return Err("the connection was closed".to_owned());
            }
        }
    }
}

impl<H: Resident> Client<H> {
    /// The name of the node that it turns to now.
    pub fn node(&self) -> String {
        let host = &self.nodes[self.current].host;
        self.host.world().machine_at(host).unwrap_or_else(|| host.clone())
    }
}

impl std::fmt::Display for CallError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            CallError::NotSent(reason) | CallError::Unanswered(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for CallError {}

/// What `future` gives, unless `timeout` passes first.
pub async fn within<F: Future>(host: &impl Host, timeout: Nanos, future: F) -> Option<F::Output> {
    let mut sleep = pin!(host.sleep_until(host.now().mono + timeout));
    let mut future = pin!(future);
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => sleep.as_mut().poll(context).map(|()| None),
    })
    .await
}
