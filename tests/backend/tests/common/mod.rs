//! Shared by the backend's tests: a plain client with the token.

#![allow(dead_code)]

use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;
use synapse_test_backend::{Backend, BackendBuilder};

pub struct Site {
    pub backend: Backend,
    pub http: reqwest::Client,
}

pub async fn start(builder: BackendBuilder) -> Site {
    Site { backend: builder.start().await.expect("a backend"), http: client() }
}

pub fn client() -> reqwest::Client {
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client")
}

impl Site {
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.backend.url()))
            .header("Synapse-Access-Token", format!("Token {}", self.backend.token()))
    }

    pub async fn get(&self, path: &str) -> (StatusCode, Value) {
        read(self.request(Method::GET, path).send().await.expect("a response")).await
    }

    pub async fn ok(&self, path: &str) -> Value {
        let (status, value) = self.get(path).await;
        assert_eq!(status, 200, "{path}: {value}");
        value
    }

    pub async fn post(&self, path: &str, body: &str) -> (StatusCode, Value) {
        let request = self.request(Method::POST, path).header("Content-Type", "application/json");
        read(request.body(body.to_owned()).send().await.expect("a response")).await
    }

    /// Sends a JSON body with any method.
    pub async fn send(&self, method: &str, path: &str, body: &Value) -> (StatusCode, Value) {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        read(self.request(method, path).json(body).send().await.expect("a response")).await
    }

    /// Sends a JSON body that must be accepted.
    pub async fn accepted(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, value) = self.send(method, path, body).await;
        assert!(status.is_success(), "{method} {path}: {status} {value}");
        value
    }

    /// Creates a data file directly.
    pub async fn data_file(&self, name: &str, content: &[u8]) -> (StatusCode, Value) {
        let part = reqwest::multipart::Part::bytes(content.to_vec()).file_name(name.to_owned());
        let form = reqwest::multipart::Form::new().part("file", part);
        read(self.request(Method::POST, "/data_files/").multipart(form).send().await.expect("a response"))
            .await
    }

    /// Reads a list through all its pages, and returns the ids.
    pub async fn all_ids(&self, path: &str) -> Vec<i64> {
        let mut page = self.ok(path).await;
        let mut all = ids(&page);
        while let Some(next) = page["next"].as_str() {
            let path = next.strip_prefix(self.backend.url()).expect("a link to this server").to_owned();
            page = self.ok(&path).await;
            all.extend(ids(&page));
        }
        all
    }

    /// Sends one chunk to an existing or a new upload.
    pub async fn put(&self, id: Option<&str>, range: &str, chunk: &[u8]) -> (StatusCode, Value) {
        let request = self.chunk(id, range, chunk);
        read(request.send().await.expect("a response")).await
    }

    pub fn chunk(&self, id: Option<&str>, range: &str, chunk: &[u8]) -> RequestBuilder {
        let path = id.map_or_else(|| "/chunked_upload/".to_owned(), |id| format!("/chunked_upload/{id}/"));
        let file = reqwest::multipart::Part::bytes(chunk.to_vec()).file_name("file");
        let form = reqwest::multipart::Form::new().text("filename", "모델 1.pt").part("file", file);
        self.request(Method::PUT, &path).header("Content-Range", range).multipart(form)
    }

    /// Uploads the content in one chunk and completes the upload.
    pub async fn upload(&self, content: &[u8], md5: &str) -> String {
        let size = content.len();
        let (status, upload) = self.put(None, &format!("bytes 0-{}/{size}", size - 1), content).await;
        assert_eq!(status, 200, "{upload}");
        let id = upload["id"].as_str().expect("an id").to_owned();
        let (status, upload) =
            self.post(&format!("/chunked_upload/{id}/"), &format!(r#"{{"md5":"{md5}"}}"#)).await;
        assert_eq!(status, 200, "{upload}");
        id
    }
}

pub async fn read(response: Response) -> (StatusCode, Value) {
    let status = response.status();
    let text = response.text().await.expect("a body");
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

pub fn ids(page: &Value) -> Vec<i64> {
    page["results"]
        .as_array()
        .expect("results")
        .iter()
        .map(|item| item["id"].as_i64().expect("an id"))
        .collect()
}
