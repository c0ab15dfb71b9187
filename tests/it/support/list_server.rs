//! A paginated list that changes and fails as scripted. It records the pages that it served.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use super::tcp_server::{Act, Seen, Server, json, then};

/// How a request for a page fails.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Failing {
    Status(u16),
    /// Closes the connection without a response.
    Cut,
}

/// A change of the list.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Inserts these ids at this position.
    Insert(usize, Vec<u64>),
    /// Removes this many ids from this position on.
    Remove(usize, usize),
}

/// How links identify pages.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Paging {
    Numbers,
    Cursors,
}

#[derive(Clone, Debug)]
pub struct Script {
    pub ids: Vec<u64>,
    pub paging: Paging,
    /// The default page size, and the largest one.
    pub most: usize,
    /// The changes, each with the number of pages served before it.
    pub changes: Vec<(usize, Change)>,
    /// How the first requests for a page fail.
    pub failures: HashMap<u64, Vec<Failing>>,
    /// Ids of items that the tests' clients can't decode.
    pub broken: Vec<u64>,
}

/// A page that was served.
#[derive(Clone, Debug, PartialEq)]
pub struct Served {
    pub page: u64,
    pub ids: Vec<u64>,
    pub count: u64,
    pub last: bool,
}

struct State {
    script: Script,
    served: Vec<Served>,
    /// The number of requests for each page, including failed ones.
    asked: HashMap<u64, usize>,
    in_flight: usize,
    peak: usize,
}

/// Dropping it stops the server.
pub struct ListServer {
    pub url: String,
    state: Arc<Mutex<State>>,
    _server: Server,
}

impl ListServer {
    pub async fn start(script: Script) -> Self {
        let state = State { script, served: Vec::new(), asked: HashMap::new(), in_flight: 0, peak: 0 };
        let state = Arc::new(Mutex::new(state));
        let shared = state.clone();
        let server = Server::with(move |_| {
            let state = shared.clone();
            then("", move |seen| respond(seen, state.clone()))
        });
        let server = server.await;
        ListServer { url: server.url.clone(), state, _server: server }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn served(&self) -> Vec<Served> {
        self.state().served.clone()
    }

    pub fn asked(&self) -> HashMap<u64, usize> {
        self.state().asked.clone()
    }

    pub fn peak(&self) -> usize {
        self.state().peak
    }

    /// The list as it is now.
    pub fn ids(&self) -> Vec<u64> {
        self.state().script.ids.clone()
    }
}

async fn respond(seen: Seen, state: Arc<Mutex<State>>) -> Act {
    {
        let mut state = state.lock().unwrap();
        state.in_flight += 1;
        state.peak = state.peak.max(state.in_flight);
    }
    // Lets other requests in progress run.
    for _ in 0..5 {
        tokio::task::yield_now().await;
    }
    let mut state = state.lock().unwrap();
    state.in_flight -= 1;
    let query = seen.line.split_once('?').map_or("", |(_, query)| query);
    match state.respond(query, &format!("http://{}", seen.header("host").unwrap())) {
        Some((status, body)) => Act::Keep(json(status, body)),
        None => Act::Close(Vec::new()),
    }
}

impl State {
    /// Returns the status and body, or `None` if the connection is closed instead.
    fn respond(&mut self, query: &str, base: &str) -> Option<(u16, String)> {
        let params: HashMap<_, _> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
        let number = |name: &str| params.get(name).map(|value| value.parse::<u64>().unwrap());
        let page = number("page").or_else(|| number("cursor").map(|cursor| cursor / 1_000)).unwrap_or(1);
        let attempt = self.asked.entry(page).or_default();
        *attempt += 1;
        if let Some(failing) = self.script.failures.get(&page).and_then(|failures| failures.get(*attempt - 1))
        {
            return match failing {
                Failing::Status(404) => Some((404, "<h1>Not Found</h1>".to_owned())),
                Failing::Status(status) => Some((*status, r#"{"detail": "not now"}"#.to_owned())),
                Failing::Cut => None,
            };
        }
        let responses = self.served.len();
        for (_, change) in self.script.changes.iter().filter(|(at, _)| *at == responses) {
            match change {
                Change::Insert(place, ids) => {
                    let place = (*place).min(self.script.ids.len());
                    self.script.ids.splice(place..place, ids.iter().copied());
                }
                Change::Remove(place, length) => {
                    let end = (place + length).min(self.script.ids.len());
                    self.script.ids.drain((*place).min(end)..end);
                }
            }
        }
        self.script.changes.retain(|(at, _)| *at != responses);
        let size = number("page_size").map_or(self.script.most, |size| (size as usize).min(self.script.most));
        let ids = &self.script.ids;
        let count = ids.len() as u64;
        // A cursor contains the last id of the previous page.
        let start = match self.script.paging {
            Paging::Numbers => (page as usize - 1) * size,
            Paging::Cursors => {
                let after = number("cursor").map(|cursor| cursor % 1_000);
                after.map_or(0, |after| {
                    ids.iter().position(|id| id % 1_000 == after).map_or(ids.len(), |at| at + 1)
                })
            }
        };
        if start >= ids.len() && page > 1 && self.script.paging == Paging::Numbers {
            return Some((404, r#"{"detail": "Invalid page."}"#.to_owned()));
        }
        let start = start.min(ids.len());
        let end = (start + size).min(ids.len());
        let given = ids[start..end].to_vec();
        let last = end == ids.len();
        let item = |id: &u64| match self.script.broken.contains(id) {
            true => format!(r#"{{"id": {id}, "name": 7}}"#),
            false => format!(r#"{{"id": {id}, "name": "{id}"}}"#),
        };
        let items: Vec<_> = given.iter().map(item).collect();
        let asked_size = params.get("page_size").map(|size| format!("&page_size={size}")).unwrap_or_default();
        let next = match (last, self.script.paging) {
            (true, _) => "null".to_owned(),
            (false, Paging::Numbers) => format!("\"{base}/models/?page={}{asked_size}\"", page + 1),
            (false, Paging::Cursors) => {
                let cursor = (page + 1) * 1_000 + given.last().unwrap() % 1_000;
                format!("\"{base}/models/?cursor={cursor}{asked_size}\"")
            }
        };
        let count_field = match self.script.paging {
            Paging::Numbers => format!(r#""count": {count}, "#),
            Paging::Cursors => String::new(),
        };
        let body = format!(
            r#"{{{count_field}"next": {next}, "previous": null, "results": [{}]}}"#,
            items.join(", ")
        );
        self.served.push(Served { page, ids: given, count, last });
        Some((200, body))
    }
}
