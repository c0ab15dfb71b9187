//! Data files: creating one in one request or by an upload in chunks, and those of a data unit.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::IntoFuture;
use std::time::Instant;

use super::item_problems::ItemProblems;
use crate::call::batch_stream::BatchStream;
use crate::call::option_setters::option_setters;
use crate::call::options::HasOptions;
use crate::call::{CallOptions, ResponseFuture};
use crate::client::BackendClient;
use crate::error::redact::excerpt;
use crate::error::{Error, ErrorKind, Result};
use crate::generated::raw::types;
use crate::generated::support::Lengths as _;
use crate::transport::IncomingResponse;
use crate::upload::creation::{CheckedFile, check, create};
use crate::upload::{Preflight, UploadFile, UploadOptions, forget_session, upload, upload_setters};

/// The size in bytes above which the platform's own client uploads a file in chunks.
const CHUNKED_ABOVE: u64 = 50 << 20;
/// Default number of files of a data unit that are uploaded concurrently.
const CONCURRENCY: usize = 4;

impl BackendClient {
    /// Creates a data file: sends the file in one request, or in chunks if it is larger than 50 MiB.
    ///
    /// `file` is a path, bytes in memory, a source of your own, or an [`UploadFile::uploaded`]. It is streamed and
    /// never held in memory as a whole. Data units refer to the file by the `checksum` of the response.
    /// [`upload_data_file`](BackendClient::upload_data_file) creates all files of a data unit.
    ///
    /// The server may take minutes for a large file: without a [`read_timeout`](CreateDataFile::read_timeout) of
    /// the call or the client, or a [`completion_timeout`](CreateDataFile::completion_timeout), it is 5 minutes. The request isn't retried if the server may have acted on it. The
    /// server stores files once per checksum, so [`idempotent(true)`](CreateDataFile::idempotent) does no harm.
    ///
    /// Operation `create_data_file` of the API's document, which describes the fields.
    ///
    /// # Errors
    /// Returns an error if the file is missing, unreadable, empty or a directory (nothing is sent then), if it
    /// changes while it is uploaded, or if the server refuses it ([`is_too_large`](Error::is_too_large)). If the
    /// outcome is unknown, the data file may have been created
    /// ([`is_unknown_outcome`](Error::is_unknown_outcome)). If the file was uploaded in chunks but the data file
    /// can't be created, [`upload_id`](Error::upload_id) allows you to try again without sending the file.
    ///
    /// ```no_run
    /// # async fn example(client: synapse_backend_client::BackendClient) -> Result<(), synapse_backend_client::Error> {
    /// let file = client
    ///     .create_data_file("/data/cat.jpg")
    ///     .on_progress(|p| eprintln!("{} of {} bytes", p.bytes_sent, p.bytes_total))
    ///     .await?;
    /// println!("{}", file.checksum);
    /// # Ok(())
    /// # }
    /// ```
    pub fn create_data_file(&self, file: impl Into<UploadFile>) -> CreateDataFile {
        CreateDataFile {
            client: self.clone(),
            file: file.into(),
            metadata: None,
            chunked_above: CHUNKED_ABOVE,
            upload: UploadOptions::default(),
            options: CallOptions::default(),
        }
    }

    /// Creates the data files of one data unit, and returns the data unit to create.
    ///
    /// `files` are the unit's files by the name of their specification, and `data_collection` is the collection's
    /// id. Each file is created as by [`create_data_file`](BackendClient::create_data_file), several of them
    /// concurrently. The data unit itself isn't created: add `meta` or `groups` if it has any, and pass it to
    /// `create_data_units`. Its `files` have the checksum of each file, and its path as it was given; for a source
    /// that isn't a path, they have the file name. An [`UploadFile::uploaded`] has none: set it by
    /// [`each`](UploadDataFile::each).
    ///
    /// # Errors
    /// Returns an error if there are no files, a name occurs twice, a completed upload has no file name, or a path isn't
    /// UTF-8 or is longer than the API allows (nothing is sent then). If a file fails, or the server's checksum of it can't
    /// be used, the others are uploaded nevertheless. The error is that of the first file that failed, in
    /// the order of `files`, and names all files that failed. [`incomplete_data_unit`](Error::incomplete_data_unit)
    /// has the others.
    ///
    /// ```no_run
    /// # async fn example(client: synapse_backend_client::BackendClient) -> Result<(), synapse_backend_client::Error> {
    /// let files = [("image_1", "/data/1.jpg"), ("data_meta_1", "/data/1.json")];
    /// let unit = client.upload_data_file(files, 12).await?;
    /// let created = client.create_data_units(unit).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn upload_data_file<N: Into<String>, F: Into<UploadFile>>(
        &self,
        files: impl IntoIterator<Item = (N, F)>,
        data_collection: i64,
    ) -> UploadDataFile {
        let files = files.into_iter().map(|(name, file)| (name.into(), file.into()));
        UploadDataFile {
            client: self.clone(),
            files: files.collect(),
            data_collection,
            concurrency: CONCURRENCY,
            each: None,
        }
    }
}

/// Creates a data file when it is awaited: see [`create_data_file`](BackendClient::create_data_file).
#[must_use = "nothing is created until it is awaited or sent"]
pub struct CreateDataFile {
    client: BackendClient,
    file: UploadFile,
    metadata: Option<types::builder::DataFileCreate>,
    chunked_above: u64,
    upload: UploadOptions,
    options: CallOptions,
}

impl CreateDataFile {
    upload_setters!();
    option_setters!();

    /// Sets the size in bytes above which the file is uploaded in chunks: 50 MiB by default, 0 for every file.
    /// An upload in chunks can be resumed, and only a failed chunk is sent again. A file that isn't larger is sent
    /// in one request, unless a [`session_file`](CreateDataFile::session_file) has an upload of it to resume.
    ///
    /// For a file that is sent in one request, [`chunk_size`](CreateDataFile::chunk_size),
    /// [`chunk_timeout`](CreateDataFile::chunk_timeout) and [`on_session`](CreateDataFile::on_session) have no effect. Its
    /// read time-out is that of the call, or else the [`completion_timeout`](CreateDataFile::completion_timeout).
    ///
    /// A [`StreamSource`](crate::StreamSource) can't be read again: one request with it is never retried.
    #[doc(alias = "use_chunked_upload")]
    pub fn chunked_above(mut self, bytes: u64) -> Self {
        self.chunked_above = bytes;
        self
    }

    /// Sets fields of the data file beside the file itself, such as `meta`. The API has no place for them in a
    /// request with the file: a call with them always uploads the file in chunks.
    ///
    /// ```no_run
    /// # async fn example(client: synapse_backend_client::BackendClient) -> Result<(), synapse_backend_client::Error> {
    /// use synapse_backend_client::json;
    ///
    /// let meta = json!({"filename": "cat.jpg"});
    /// let file = client.create_data_file("/data/cat.jpg").metadata(|m| m.meta(meta)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn metadata(
        mut self,
        set: impl FnOnce(types::builder::DataFileCreate) -> types::builder::DataFileCreate,
    ) -> Self {
        self.metadata = Some(set(self.metadata.unwrap_or_default()));
        self
    }

    /// Replaces all options by `options`, such as those of another call.
    pub fn with_options(mut self, options: CallOptions) -> Self {
        self.options = options;
        self
    }

    /// Uploads the file and creates the data file. Awaiting does the same.
    ///
    /// # Errors
    /// Returns an error as [`create_data_file`](BackendClient::create_data_file) does.
    pub fn send(self) -> ResponseFuture<types::DataFile> {
        ResponseFuture::new(self.create())
    }

    async fn create(self) -> Result<types::DataFile> {
        let CreateDataFile { client, file, metadata, chunked_above, upload: settings, mut options } = self;
        let deadline = options.deadline();
        let has_metadata = metadata.is_some();
        let metadata = metadata.unwrap_or_default();
        // A placeholder is used as the upload's id while the rest is checked.
        let placeholder = metadata.clone().chunked_upload(types::UploadId::from(""));
        let call = client.call(|raw| raw.create_data_file(|_| placeholder));
        let problems = call.with_options(options.clone()).problems();
        let id = match check("create_data_file", file, problems, &settings, deadline).await? {
            CheckedFile::Uploaded(id) => id,
            CheckedFile::Upload(file) if !has_metadata && !file.resumes() && file.size() <= chunked_above => {
                return create_with_form(&client, file, &settings, options, deadline).await;
            }
            CheckedFile::Upload(file) => {
                let uploaded = upload(&client, file, &settings, &options, deadline).await;
                uploaded.map_err(|error| error.during("uploading the data file"))?.id
            }
        };
        options.end_by(deadline);
        let call = client.call(|raw| raw.create_data_file(|_| metadata.chunked_upload(&id)));
        create(call.with_options(options), &id, &settings, deadline).await
    }

    /// Returns the path that a data unit has for the file: as the caller gave it, or the file name.
    ///
    /// # Errors
    /// Returns what is wrong with the path.
    fn path_in_unit(&self) -> Result<String, &'static str> {
        let named = self.upload.file_name.clone();
        let Some(source) = self.file.source() else {
            return named.ok_or("a completed upload has no path: set its `file_name` by `each`");
        };
        match source.given_path() {
            Some(path) => path
                .to_str()
                .map(str::to_owned)
                .ok_or("its path is not UTF-8, as a data unit requires: rename it"),
            None => Ok(named.or_else(|| source.file_name()).unwrap_or_else(|| "file".to_owned())),
        }
    }
}

/// Sends the file and creates the data file in one request.
///
/// # Errors
/// Returns an error if the request fails, or if the file changes meanwhile.
async fn create_with_form(
    client: &BackendClient,
    file: Preflight,
    settings: &UploadOptions,
    mut options: CallOptions,
    deadline: Option<Instant>,
) -> Result<types::DataFile> {
    options.end_by(deadline);
    if let Some(timeout) = settings.completion_timeout {
        options.default_read_timeout(timeout);
    }
    let size = file.size();
    let (file, progress) = file.into_form_file(settings);
    let call = client.call(|raw| raw.create_data_file(|body| body).form(|form| form.file(file)));
    let created = call.with_options(options).fetch(IncomingResponse::json_undelivered).await;
    let (created, undelivered) = created.map_err(|error| match error.is_too_large() {
        true => error.during(format!(
            "sending {size} bytes in one request, more than the server accepts: set a smaller chunked_above"
        )),
        false => error,
    })?;
    progress.complete();
    forget_session(settings, None, deadline).await;
    undelivered.delivered();
    Ok(created)
}

impl IntoFuture for CreateDataFile {
    type Output = Result<types::DataFile>;
    type IntoFuture = ResponseFuture<types::DataFile>;

    fn into_future(self) -> Self::IntoFuture {
        self.send()
    }
}

impl HasOptions for CreateDataFile {
    fn options_mut(&mut self) -> &mut CallOptions {
        &mut self.options
    }
}

impl fmt::Debug for CreateDataFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreateDataFile")
            .field("file", &self.file)
            .field("metadata", &self.metadata)
            .field("chunked_above", &self.chunked_above)
            .field("upload", &self.upload)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

type Configure = dyn Fn(&str, CreateDataFile) -> CreateDataFile + Send;

/// Creates the data files of a data unit when it is awaited: see
/// [`upload_data_file`](BackendClient::upload_data_file).
#[must_use = "nothing is uploaded until it is awaited or sent"]
pub struct UploadDataFile {
    client: BackendClient,
    files: Vec<(String, UploadFile)>,
    data_collection: i64,
    concurrency: usize,
    each: Option<Box<Configure>>,
}

impl UploadDataFile {
    /// Sets how many files are uploaded concurrently: 4 by default, at most 64.
    pub fn concurrency(mut self, files: usize) -> Self {
        self.concurrency = files;
        self
    }

    /// Sets a function that configures the upload of each file. It receives the name of the file's specification.
    pub fn each(mut self, set: impl Fn(&str, CreateDataFile) -> CreateDataFile + Send + 'static) -> Self {
        self.each = Some(Box::new(set));
        self
    }

    /// Uploads the files. Awaiting does the same; dropping it cancels all uploads.
    ///
    /// # Errors
    /// Returns an error as [`upload_data_file`](BackendClient::upload_data_file) does.
    pub fn send(self) -> ResponseFuture<types::DataUnitCreate> {
        ResponseFuture::new(self.upload())
    }

    async fn upload(self) -> Result<types::DataUnitCreate> {
        let UploadDataFile { client, files, data_collection, concurrency, each } = self;
        let (mut entries, mut calls, mut problems) = (Vec::new(), Vec::new(), ItemProblems::default());
        problems.check_concurrency(concurrency);
        if files.is_empty() {
            problems.push("a data unit needs a file".to_owned());
        }
        let mut names = BTreeSet::new();
        for (name, file) in files {
            let call = client.create_data_file(file);
            let call = if let Some(each) = &each { each(&name, call) } else { call };
            let mut entry = types::DataUnitFile::builder();
            let found = match call.path_in_unit() {
                Ok(path) => {
                    // A placeholder is used as the checksum while the path is checked.
                    entry = entry.checksum("-").path(path);
                    entry.length_problems()
                }
                Err(problem) => vec![problem.to_owned()],
            };
            problems.extend(found.into_iter().map(|problem| format!("{}: {problem}", excerpt(&name, 100))));
            if !names.insert(name.clone()) {
                problems.push(format!("the name {:?} occurs twice", excerpt(&name, 100)));
            }
            entries.push((name, entry));
            calls.push(call);
        }
        if let Some(problems) = problems.into_text("upload_data_file") {
            return Err(Error::invalid_input(problems));
        }
        let results =
            BatchStream::new(calls.into_iter().map(CreateDataFile::send), concurrency).in_order().await;
        let (mut files, mut failed) = (BTreeMap::<String, types::DataUnitFile>::new(), Vec::new());
        for ((name, entry), result) in entries.into_iter().zip(results) {
            match result.and_then(|file| with_checksum(entry, file.checksum)) {
                Ok(file) => drop(files.insert(name, file)),
                Err(error) => failed.push((name, error)),
            }
        }
        let unit = types::DataUnitCreate::builder().data_collection(data_collection).files(files);
        let unit: types::DataUnitCreate = built(unit)?;
        let names: Vec<_> = failed.iter().map(|(name, _)| format!("`{}`", excerpt(name, 100))).collect();
        match failed.into_iter().next() {
            None => Ok(unit),
            Some((_, error)) => {
                let files = if names.len() == 1 { "file" } else { "files" };
                let error = error.during(format!("uploading the {files} {}", names.join(", ")));
                Err(error.with_detail(IncompleteDataUnit(unit)))
            }
        }
    }
}

/// Returns the entry of a data file that was created.
///
/// # Errors
/// Returns an error if no data unit can have the server's checksum.
fn with_checksum(entry: types::builder::DataUnitFile, checksum: String) -> Result<types::DataUnitFile> {
    let entry = entry.checksum(checksum);
    let problems = entry.length_problems();
    if problems.is_empty() {
        return built(entry);
    }
    let message =
        format!("the data file is created, but a data unit can't refer to it: {}", problems.join("; "));
    Err(Error::new(ErrorKind::Decode, message))
}

/// Returns a value from its builder.
///
/// # Errors
/// Returns an error if a field is missing, as after a change of the API's document.
fn built<B, T: TryFrom<B, Error: fmt::Display>>(builder: B) -> Result<T> {
    T::try_from(builder).map_err(|error| Error::invalid_input(format!("upload_data_file: {error}")))
}

#[derive(Clone)]
struct IncompleteDataUnit(types::DataUnitCreate);

impl Error {
    /// Returns the data unit with the files that were uploaded, if [`upload_data_file`] failed because of the
    /// others. Upload those, and add them to its `files`.
    ///
    /// [`upload_data_file`]: BackendClient::upload_data_file
    ///
    /// ```no_run
    /// # async fn example(client: synapse_backend_client::BackendClient) -> Result<(), synapse_backend_client::Error> {
    /// let files = [("image_1", "/data/1.jpg"), ("data_meta_1", "/data/1.json")];
    /// let unit = match client.upload_data_file(files, 12).await {
    ///     Ok(unit) => unit,
    ///     Err(error) => {
    ///         let Some(mut unit) = error.incomplete_data_unit().cloned() else { return Err(error) };
    ///         let failed = files.into_iter().filter(|(name, _)| !unit.files.contains_key(*name));
    ///         unit.files.extend(client.upload_data_file(failed.collect::<Vec<_>>(), 12).await?.files);
    ///         unit
    ///     }
    /// };
    /// # Ok(())
    /// # }
    /// ```
    pub fn incomplete_data_unit(&self) -> Option<&types::DataUnitCreate> {
        self.detail().map(|IncompleteDataUnit(unit)| unit)
    }
}

impl IntoFuture for UploadDataFile {
    type Output = Result<types::DataUnitCreate>;
    type IntoFuture = ResponseFuture<types::DataUnitCreate>;

    fn into_future(self) -> Self::IntoFuture {
        self.send()
    }
}

impl fmt::Debug for UploadDataFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UploadDataFile")
            .field("files", &self.files)
            .field("data_collection", &self.data_collection)
            .field("concurrency", &self.concurrency)
            .finish_non_exhaustive()
    }
}
