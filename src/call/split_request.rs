//! Sends a request whose array is too long for one as several requests.

use super::{Call, ResponseFuture, in_memory};
use crate::error::Error;
use crate::generated::array_limits::split;
use crate::generated::operation::{Join, Operation, ResponseDecoder as _};

impl<B: Operation> Call<B> {
    /// Sends the request, one after another as several ones if an array of its body is too long. `join` adds a further
    /// response to the first. The call's time-out covers all requests.
    pub(super) fn send_split(self, join: Join<B::Output>) -> ResponseFuture<B::Output> {
        let (transport, rules) = (self.client.transport().clone(), self.operation.rules());
        ResponseFuture::from_result(self.prepare_any().map(|whole| async move {
            let Some(bodies) = split(in_memory(&whole.request), rules.array_limits) else {
                return Ok(transport.fetch(whole, B::Decoder::read).await?);
            };
            let deadline = whole.timeouts.start().deadline;
            let (mut all, requests) = (None, bodies.len());
            for (index, body) in bodies.into_iter().enumerate() {
                let request = whole.with_body(body, deadline);
                let response = transport.clone().fetch(request, B::Decoder::read).await;
                let response = response.map_err(|failure| {
                    Error::from(failure).during(format!("request {} of {requests}", index + 1))
                })?;
                match &mut all {
                    None => all = Some(response),
                    Some(all) => join(all, response),
                }
            }
            // A body that is split has at least two parts.
            all.ok_or_else(|| Error::invalid_input("the request's array is empty"))
        }))
    }
}
