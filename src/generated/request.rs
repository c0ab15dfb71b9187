//! Makes an operation's request from its description and its parameters.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use reqwest::header::{ACCEPT, COOKIE, HeaderName, HeaderValue};
use reqwest::{Method, Request, Url};
use serde::Serialize;

use super::array_limits;
use super::body::Body;
use super::description::{ParameterInfo, Place};
use super::parameters::Parameters;
use crate::transport::multipart::MultipartBody;
use crate::values::json::unwritable;

/// The URL that paths are appended to.
#[doc(hidden)]
#[derive(Clone)]
pub struct Base {
    url: Url,
    /// Encodes forms; it sends nothing.
    client: reqwest::Client,
}

impl Base {
    pub(crate) fn new(url: Url, client: reqwest::Client) -> Self {
        Base { url, client }
    }

    /// Returns the URL without a trailing slash.
    pub(crate) fn url(&self) -> &str {
        self.url.as_str().trim_end_matches('/')
    }

    /// Returns the URL's path without a trailing slash.
    fn prefix(&self) -> &str {
        self.url.path().trim_end_matches('/')
    }

    pub(crate) fn client(&self) -> &reqwest::Client {
        &self.client
    }
}

/// A request as it was built.
#[doc(hidden)]
#[derive(Debug)]
pub struct BuiltRequest {
    pub(crate) request: Request,
    /// A form to send instead of the request's empty body.
    pub(crate) multipart: Option<Arc<MultipartBody>>,
    /// Values of the URL that are never shown.
    pub(crate) secrets: Vec<String>,
}

impl From<Request> for BuiltRequest {
    fn from(request: Request) -> Self {
        BuiltRequest { request, multipart: None, secrets: Vec::new() }
    }
}

/// All that is invalid in an operation's parameters and body.
#[doc(hidden)]
#[derive(Debug, Default)]
pub struct Invalid {
    pub(crate) problems: Vec<String>,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problems.join("\n"))
    }
}

impl From<String> for Invalid {
    fn from(problem: String) -> Self {
        Invalid { problems: problem.lines().map(str::to_owned).collect() }
    }
}

impl From<reqwest::Error> for Invalid {
    fn from(error: reqwest::Error) -> Self {
        let error = error.without_url();
        let source =
            std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
        Invalid::from(format!("the request can't be built: {error}{source}"))
    }
}

impl<B: Body> Parameters<B> {
    /// Makes the request.
    ///
    /// # Errors
    /// Returns everything that is invalid: the parameters in the description's order, then the body.
    pub(crate) fn into_request(self, base: &Base) -> Result<BuiltRequest, Invalid> {
        let info = self.info;
        let mut problems = Vec::new();
        let mut query = form_urlencoded::Serializer::new(String::new());
        let mut headers: Vec<(&'static str, HeaderValue)> = Vec::new();
        let mut cookies: Vec<String> = Vec::new();
        let mut secrets = Vec::new();
        for (index, parameter) in info.parameters.iter().enumerate() {
            let always_sent;
            let texts = match self.value(index) {
                Some(Ok(text)) => text.texts(),
                Some(Err(more)) => {
                    problems.extend_from_slice(more);
                    continue;
                }
                None => match parameter.always_sent {
                    Some(text) => {
                        always_sent = [text.to_owned()];
                        always_sent.as_slice()
                    }
                    None if parameter.required => &[],
                    None => continue,
                },
            };
            if parameter.secret {
                secrets.extend_from_slice(texts);
            }
            if texts.is_empty() && parameter.required {
                problems.push(format!("`{}` is missing: it is required", parameter.name));
                continue;
            }
            if let Some(separator) = parameter.separator {
                let ambiguous =
                    texts.iter().enumerate().filter(|(_, text)| text.contains(separator)).map(|(at, _)| {
                        format!(
                            "`{}[{at}]`: {separator:?} joins the values, so none can contain it",
                            parameter.name
                        )
                    });
                problems.extend(ambiguous);
            }
            let joined = || parameter.one_text(texts);
            match parameter.place {
                Place::Path => problems.extend(segment_problem(parameter.name, &joined())),
                Place::Query if parameter.separator.is_some() => {
                    query.append_pair(parameter.wire, &joined());
                }
                Place::Query => {
                    query.extend_pairs(texts.iter().map(|text| (parameter.wire, text)));
                }
                _ if texts.is_empty() => {}
                Place::Cookie => {
                    cookies.push(format!(
                        "{}={}",
                        parameter.wire,
                        utf8_percent_encode(&joined(), COOKIE_VALUE)
                    ));
                }
                Place::Header => match HeaderValue::from_str(&joined()) {
                    Ok(value) => headers.push((parameter.wire, value)),
                    Err(_) => problems.push(format!(
                        "`{}`: a header can't contain this character, such as a line break",
                        parameter.name
                    )),
                },
            }
        }
        let path = self.path(base);
        secrets.extend(self.body.secrets());
        let body = self.body.content().unwrap_or_else(|more| {
            problems.extend(more);
            None
        });
        if !problems.is_empty() {
            return Err(Invalid { problems });
        }
        let url = parsed(path?, &query.finish(), base)?;
        let method =
            Method::from_bytes(info.method.as_bytes()).map_err(|error| Invalid::from(error.to_string()))?;
        let mut request = Request::new(method, url);
        if let Some(accept) = info.accept {
            request.headers_mut().insert(ACCEPT, HeaderValue::from_static(accept));
        }
        let mut built = match body {
            Some(body) => body.put(request, info.request_type, base.client())?,
            None => request.into(),
        };
        built.secrets = secrets;
        let sent = built.request.body().and_then(|body| body.as_bytes()).unwrap_or_default();
        let problems = array_limits::problems(sent, info.rules.array_limits, false);
        if !problems.is_empty() {
            return Err(Invalid { problems });
        }
        let headers_mut = built.request.headers_mut();
        for (name, value) in headers {
            let name = HeaderName::try_from(name).map_err(|error| Invalid::from(error.to_string()))?;
            headers_mut.append(name, value);
        }
        if !cookies.is_empty() {
            let mut value = HeaderValue::try_from(cookies.join("; "))
                .map_err(|error| Invalid::from(format!("the cookies can't be a header: {error}")))?;
            value.set_sensitive(true);
            headers_mut.insert(COOKIE, value);
        }
        Ok(built)
    }
}

impl<B> Parameters<B> {
    /// Returns the URL's path. A fragment of the template only tells operations apart.
    ///
    /// # Errors
    /// Returns an error if the template names a parameter that doesn't exist or has no value.
    fn path(&self, base: &Base) -> Result<String, Invalid> {
        let template = self.info.path.split('#').next().unwrap_or_default();
        let mut path = String::with_capacity(base.prefix().len() + template.len() + 32);
        path.push_str(base.prefix());
        let mut rest = template;
        while let Some((literal, after)) = rest.split_once('{') {
            let (name, more) = after.split_once('}').unwrap_or((after, ""));
            let (name, is_whole) = name.strip_prefix('+').map_or((name, false), |name| (name, true));
            let segment = self
                .segment(name)
                .ok_or_else(|| Invalid::from(format!("`{name}` of the path {template:?} is no parameter")))?;
            path.push_str(literal);
            match path.contains('?') {
                true => path.extend(form_urlencoded::byte_serialize(segment.as_bytes())),
                false if is_whole => {
                    path.extend(utf8_percent_encode(segment.trim_start_matches('/'), WHOLE_PATH));
                }
                false => path.extend(utf8_percent_encode(&segment, SEGMENT)),
            }
            rest = more;
        }
        path.push_str(rest);
        Ok(path)
    }

    /// Returns a path parameter's value.
    fn segment(&self, name: &str) -> Option<Cow<'_, str>> {
        let mut parameters = self.info.parameters.iter().enumerate();
        let (index, parameter) = parameters.find(|(_, p)| p.place == Place::Path && p.wire == name)?;
        Some(parameter.one_text(self.value(index)?.as_ref().ok()?.texts()))
    }
}

impl ParameterInfo {
    /// Joins several values by the parameter's separator.
    fn one_text<'a>(&self, texts: &'a [String]) -> Cow<'a, str> {
        match texts {
            [text] => text.into(),
            _ => texts.join(self.separator.unwrap_or(",")).into(),
        }
    }
}

/// The characters to percent-encode in a cookie's value: all that RFC 6265, section 4.1.1, doesn't allow there,
/// and `%`.
const COOKIE_VALUE: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%').add(b',').add(b';').add(b'\\');

/// Adds the query and resolves the URL.
///
/// # Errors
/// Returns an error if the URL is invalid, or if its path isn't `text`: the URL parser resolves `.` and `..`
/// into another path.
fn parsed(mut text: String, query: &str, base: &Base) -> Result<Url, Invalid> {
    // The template may have a query of its own.
    let path_ends = text.find('?').unwrap_or(text.len());
    if !query.is_empty() {
        text.push(if path_ends == text.len() { '?' } else { '&' });
        text.push_str(query);
    }
    // The base URL is parsed already. A path that begins with `//` would be another host.
    let url = match base.prefix().starts_with("//") {
        false => base.url.join(&text),
        true => Url::parse(&format!("{}{}", base.url(), &text[base.prefix().len()..])),
    };
    let url = url.map_err(|error| Invalid::from(format!("the request's URL is invalid: {error}")))?;
    let starts = base.prefix().len();
    let is_unchanged = |parsed: &str| {
        let parsed = parsed.split(['?', '#']).next().unwrap_or_default().split('/');
        let decode = |segment| percent_decode_str(segment).collect::<Vec<u8>>();
        text[starts..path_ends].split('/').map(decode).eq(parsed.map(decode))
    };
    match url.as_str().strip_prefix(base.url()) {
        Some(parsed) if parsed == &text[starts..] || is_unchanged(parsed) => Ok(url),
        _ => {
            Err(Invalid::from("the parameters change the path: `.` and `..` can't be part of it".to_owned()))
        }
    }
}

/// The characters to percent-encode in a path segment: all that RFC 3986 doesn't allow there, and `+`, which some
/// servers decode as a space.
const SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'+')
    .add(b'/')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// The characters to percent-encode in a whole path: its slashes stay.
const WHOLE_PATH: &AsciiSet = &SEGMENT.remove(b'/');

/// Returns what is wrong with a path parameter's value. The URL parser would resolve `.`, `..` and an empty value
/// into another path.
fn segment_problem(field: &str, value: &str) -> Option<String> {
    match value {
        "" => Some(format!("`{field}` is empty: it is part of the path")),
        "." | ".." => Some(format!("`{field}`: {value:?} can't be part of a path")),
        _ => None,
    }
}

/// Returns a body as JSON.
///
/// # Errors
/// Returns an error if the body can't be written as JSON. A number that isn't finite is a problem that names
/// the field; serde_json would silently write null.
pub(crate) fn json_body<T: Serialize + ?Sized>(body: &T) -> Result<Vec<u8>, Invalid> {
    let problems: Vec<String> = unwritable(body).iter().map(ToString::to_string).collect();
    if !problems.is_empty() {
        return Err(Invalid { problems });
    }
    serde_json::to_vec(body)
        .map_err(|error| Invalid::from(format!("the body can't be written as JSON: {error}")))
}

#[cfg(test)]
mod tests {
    use super::{Base, json_body};
    use crate::generated::body::NoBody;
    use crate::generated::description::{OperationInfo, ParameterInfo};
    use crate::generated::parameters::Parameters;
    use crate::json;

    #[test]
    fn cookies_are_one_sensitive_header() {
        const INFO: &OperationInfo = &OperationInfo {
            parameters: &[ParameterInfo::cookie("session"), ParameterInfo::cookie("theme").named("ui-theme")],
            ..OperationInfo::new("get_thing", "GET", "/")
        };
        let parameters = Parameters::new(INFO, NoBody).with::<String>(1, "a b").with::<String>(0, "x;y=1");
        assert!(!format!("{parameters:?}").contains("x;y"), "{parameters:?}");
        let request = parameters.into_request(&base("http://h")).unwrap().request;
        let cookie = &request.headers()["cookie"];
        assert_eq!(
            (cookie.to_str().unwrap(), cookie.is_sensitive()),
            ("session=x%3By=1; ui-theme=a%20b", true)
        );
    }

    fn base(url: &str) -> Base {
        Base::new(url.parse().unwrap(), reqwest::Client::new())
    }

    fn url(path: &'static str, values: &[&str]) -> Result<String, String> {
        url_at("http://h/api", path, values)
    }

    /// Returns the URL of a request, or the problems.
    fn url_at(at: &str, path: &'static str, values: &[&str]) -> Result<String, String> {
        const PARAMETERS: &[ParameterInfo] =
            &[ParameterInfo::path("id"), ParameterInfo::path("format"), ParameterInfo::query("q")];
        let info: &'static OperationInfo = Box::leak(Box::new(OperationInfo {
            parameters: &PARAMETERS[..path.matches('{').count().min(2)],
            ..OperationInfo::new("get_thing", "GET", path)
        }));
        let mut parameters = Parameters::new(info, NoBody);
        for (index, value) in values.iter().enumerate() {
            parameters.set::<String>(index, *value);
        }
        parameters
            .into_request(&base(at))
            .map(|built| built.request.url().to_string())
            .map_err(|e| e.to_string())
    }

    #[test]
    fn path_parameter_is_one_encoded_segment() {
        assert_eq!(url("/{id}/", &["a/b c%2e\\한"]).unwrap(), "http://h/api/a%2Fb%20c%252e%5C%ED%95%9C/");
        for bad in ["", ".", ".."] {
            assert!(url("/{id}/", &[bad]).unwrap_err().starts_with("`id`"));
        }
        assert_eq!(url("/{id}/", &["..."]).unwrap(), "http://h/api/.../");
    }

    #[test]
    fn whole_path_keeps_its_slashes() {
        let path = |value: &str| url("/{+id}", &[value]);
        for value in ["/pulp/tasks/7/", "pulp/tasks/7/", "//pulp/tasks/7/"] {
            assert_eq!(path(value).unwrap(), "http://h/api/pulp/tasks/7/");
        }
        assert_eq!(path("/a b?x#y/%2e/\\").unwrap(), "http://h/api/a%20b%3Fx%23y/%252e/%5C");
        for bad in ["", "/a/../b", "..", "/./a"] {
            assert!(path(bad).is_err(), "{bad}");
        }
        assert_eq!(url_at("http://h", "/{+id}", &["//evil.example/x"]).unwrap(), "http://h/evil.example/x");
    }

    #[test]
    fn several_path_values_are_joined() {
        const INFO: &OperationInfo = &OperationInfo {
            parameters: &[ParameterInfo::path("ids")],
            ..OperationInfo::new("get_pair", "GET", "/pairs/{ids}/")
        };
        let request = |ids: Vec<i64>| {
            Parameters::new(INFO, NoBody).with::<Vec<i64>>(0, ids).into_request(&base("http://h"))
        };
        assert_eq!(request(vec![1, 2]).unwrap().request.url().path(), "/pairs/1,2/");
        assert_eq!(request(vec![]).unwrap_err().problems, ["`ids` is missing: it is required"]);
    }

    #[test]
    fn joined_value_without_separator() {
        const INFO: &OperationInfo = &OperationInfo {
            parameters: &[ParameterInfo::query("names").joined("|"), ParameterInfo::query("tags")],
            ..OperationInfo::new("list_things", "GET", "/")
        };
        let request = |names: &[&'static str]| {
            let parameters = Parameters::new(INFO, NoBody).with::<Vec<String>>(0, names.to_vec());
            parameters.with::<Vec<String>>(1, ["x|y"]).into_request(&base("http://h"))
        };
        assert_eq!(request(&["a,b", "c"]).unwrap().request.url().query(), Some("names=a%2Cb%7Cc&tags=x%7Cy"));
        assert_eq!(request(&[]).unwrap().request.url().query(), Some("names=&tags=x%7Cy"));
        let problems = request(&["a", "b|c", "|"]).unwrap_err().problems;
        let problem = |at| format!("`names[{at}]`: \"|\" joins the values, so none can contain it");
        assert_eq!(problems, [problem(1), problem(2)]);
        assert_eq!(request(&["b|c"]).unwrap_err().problems, [problem(0)]);
    }

    #[test]
    fn request_stays_on_its_host() {
        for path in
            ["//other/{id}/", "/\\other/{id}/", "/\t/other/{id}/", "other/{id}/", "http://other/{id}/"]
        {
            assert!(url_at("http://h", path, &["7"]).unwrap_err().contains("can't be part"), "{path}");
        }
        assert_eq!(url_at("http://h", "/a//{id}/", &["7"]).unwrap(), "http://h/a//7/");
        assert_eq!(url_at("http://h//api", "/a/{id}/", &["7"]).unwrap(), "http://h//api/a/7/");
        assert_eq!(url("//a/{id}/", &["7"]).unwrap(), "http://h/api//a/7/");
    }

    #[test]
    fn request_path_is_its_template() {
        assert_eq!(url("/a/{id}/", &["x/y"]).unwrap(), "http://h/api/a/x%2Fy/");
        assert_eq!(url("/a/{id}.{format}", &["p", "png"]).unwrap(), "http://h/api/a/p.png");
        assert_eq!(url("/한 a/{id}/", &["%2e%2e"]).unwrap(), "http://h/api/%ED%95%9C%20a/%252e%252e/");
        assert!(url("/a/../{id}/", &["x"]).unwrap_err().contains("can't be part"));
        // A name may stand twice. A fragment isn't sent, and a query of the template stays.
        assert_eq!(url("/a/{id}/b/{format}/{id}", &["7", "x"]).unwrap(), "http://h/api/a/7/b/x/7");
        assert_eq!(url("/a#b", &[]).unwrap(), "http://h/api/a");
        assert_eq!(url("/a/{id}?x={format}#c", &["7", "y"]).unwrap(), "http://h/api/a/7?x=y");
        assert_eq!(
            url("/a/{id}?x={format}", &["a=b", "a&b=c+d;e f"]).unwrap(),
            "http://h/api/a/a=b?x=a%26b%3Dc%2Bd%3Be+f"
        );
        assert!(url("/a/{id}/{other}", &["7"]).unwrap_err().contains("`format` is missing"));
        assert_eq!(url("/a/{id}/{format}/", &[]).unwrap_err().lines().count(), 2);
    }

    #[test]
    fn non_finite_numbers_are_reported() {
        #[derive(serde::Serialize)]
        struct Body {
            a: f64,
            b: Option<crate::Json>,
            c: Vec<f32>,
        }
        let messages =
            json_body(&Body { a: f64::NAN, b: None, c: vec![1.0, f32::INFINITY] }).unwrap_err().to_string();
        assert!(messages.contains("a: NaN") && messages.contains("c[1]: inf"), "{messages}");
        let messages = json_body(&Body { a: 1.0, b: Some(json!({"x": {"y": f64::NAN}})), c: vec![] })
            .unwrap_err()
            .to_string();
        assert_eq!(messages, "b: x.y: NaN is not a JSON number");
        let mut metrics: crate::generated::support::Field<crate::Json> = Ok(crate::Json::default());
        let value = json!({"x": f64::NAN, "y": [f64::INFINITY]});
        crate::generated::support::set(&mut metrics, "metrics", value, std::convert::identity);
        assert_eq!(
            metrics.unwrap_err(),
            "metrics: x: NaN is not a JSON number\nmetrics: y[0]: inf is not a JSON number"
        );
        assert_eq!(
            json_body(&Body { a: 1.0, b: Some(json!({"x": 1})), c: vec![] }).unwrap(),
            br#"{"a":1.0,"b":{"x":1},"c":[]}"#
        );
    }
}
