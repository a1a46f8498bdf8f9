//! Which RPC a method and a path call.

use http::Method;
use percent_encoding::percent_decode_str;
use prost_reflect::{DescriptorPool, FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor};

use super::{
    behavior::Behaviors,
    fault::nearest,
    rule::{self, Rule},
    semantics::{self, Semantics},
};

/// All routes. Made once, from the descriptors.
#[derive(Debug)]
pub(super) struct Routes {
    /// Which element of `paths` a path is.
    finder: matchit::Router<usize>,
    paths: Vec<Path>,
}

#[derive(Debug)]
struct Path {
    template: String,
    routes: Vec<Route>,
}

/// One way to call an RPC.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) method: Method,
    pub(super) template: String,
    pub(super) rpc: MethodDescriptor,
    /// Fields of the request that are in the path, in its order. Of a field of a field, both.
    pub(super) parameters: Vec<Vec<FieldDescriptor>>,
    pub(super) body: BodyOf,
    /// The field of the response that the answer is; none means the whole of it.
    pub(super) answer: Option<FieldDescriptor>,
    pub(super) semantics: Semantics,
    /// The field that `If-Match` is, with those on the way.
    pub(super) if_match: Vec<FieldDescriptor>,
    /// What a mask may name: the fields of the body that its sender sets.
    pub(super) settable: Vec<FieldDescriptor>,
}

/// What of the request the body is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum BodyOf {
    /// There is none. What the path does not have is in the query.
    Nothing,
    /// All that the path does not have.
    Request,
    /// One field. The rest is in the query.
    Field(FieldDescriptor),
}

/// What a method and a path come to.
#[derive(Debug)]
pub(super) enum Found<'a> {
    /// A route, and the values in its path.
    Route(&'a Route, Vec<String>),
    /// The path has other methods.
    Methods(Vec<Method>),
    /// There is no such path. These are like it.
    Nothing(Vec<&'a str>),
}

/// An annotation in the proto files that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{rpc}: {problem}")]
pub(super) struct RuleError {
    rpc: String,
    problem: String,
}

impl Routes {
    /// The routes of all services.
    pub(super) fn new(pool: &DescriptorPool, behaviors: &Behaviors) -> Result<Self, RuleError> {
        let mut routes = Self {
            finder: matchit::Router::new(),
            paths: Vec::new(),
        };
        let Some(extension) = pool.get_extension_by_name("google.api.http") else {
            return Ok(routes);
        };
        for rpc in pool
            .services()
            .flat_map(|service| service.methods().collect::<Vec<_>>())
        {
            for rule in rule::rules(&rpc, &extension) {
                routes.add(&rpc, rule, behaviors).map_err(|problem| RuleError {
                    rpc: rpc.full_name().to_owned(),
                    problem,
                })?;
            }
        }
        Ok(routes)
    }

    /// What to call. `HEAD` is `GET`, whose body is then left out.
    pub(super) fn find(&self, method: &Method, path: &str) -> Found<'_> {
        let Ok(found) = self.finder.at(path) else {
            return Found::Nothing(self.near(path));
        };
        let decoded: Result<Vec<_>, _> = found
            .params
            .iter()
            .map(|(_, value)| {
                percent_decode_str(value)
                    .decode_utf8()
                    .map(std::borrow::Cow::into_owned)
            })
            .collect();
        let (Some(path), Ok(values)) = (self.paths.get(*found.value), decoded) else {
            return Found::Nothing(Vec::new());
        };
        let wanted = if method == Method::HEAD {
            &Method::GET
        } else {
            method
        };
        match path.routes.iter().find(|route| route.method == wanted) {
            Some(route) => Found::Route(route, values),
            None => Found::Methods(path.methods()),
        }
    }

    /// Every route, in the order of the proto files.
    pub(super) fn all(&self) -> impl Iterator<Item = &Route> {
        self.paths.iter().flat_map(|path| &path.routes)
    }

    fn add(&mut self, rpc: &MethodDescriptor, rule: Rule, behaviors: &Behaviors) -> Result<(), String> {
        let (numbered, names) = numbered(&rule.template);
        let request = rpc.input();
        let parameters: Option<Vec<_>> = names.iter().map(|name| fields(&request, name)).collect();
        let body = match rule.body.as_str() {
            "" => BodyOf::Nothing,
            "*" => BodyOf::Request,
            name => BodyOf::Field(request.get_field_by_name(name).ok_or("its body is no field")?),
        };
        let answer = match rule.response_body.as_str() {
            "" => None,
            name => Some(
                rpc.output()
                    .get_field_by_name(name)
                    .ok_or("its answer is no field")?,
            ),
        };
        let semantics = semantics::of(rpc.name());
        let if_match = semantics.if_match.map(|path| fields(&request, path));
        let route = Route {
            method: rule.method,
            template: rule.template.clone(),
            rpc: rpc.clone(),
            parameters: parameters.ok_or("a name in its path is no field")?,
            settable: settable(&body, behaviors),
            body,
            answer,
            semantics,
            if_match: if_match
                .unwrap_or(Some(Vec::new()))
                .ok_or("If-Match is no field")?,
        };
        let known = self.finder.at(&numbered).ok().map(|found| *found.value);
        let known = known.and_then(|index| self.paths.get_mut(index));
        match known.filter(|path| self::numbered(&path.template).0 == numbered) {
            Some(path) => path.routes.push(route),
            None => {
                self.finder
                    .insert(numbered, self.paths.len())
                    .map_err(|error| error.to_string())?;
                self.paths.push(Path {
                    template: rule.template,
                    routes: vec![route],
                });
            }
        }
        Ok(())
    }

    fn near(&self, path: &str) -> Vec<&str> {
        let templates: Vec<String> = self.paths.iter().map(|path| path.template.clone()).collect();
        let nearest = nearest(path, &templates).map(String::as_str);
        // What begins alike is near too: `/v1/webhooks/…`.
        let collection = |path: &str| path.split('/').nth(2).unwrap_or_default().to_owned();
        let wanted = collection(nearest.unwrap_or(path));
        self.paths
            .iter()
            .map(|path| path.template.as_str())
            .filter(|template| collection(template) == wanted)
            .take(NEAR_MAX)
            .collect()
    }
}

impl Path {
    fn methods(&self) -> Vec<Method> {
        let mut methods: Vec<Method> = self.routes.iter().map(|route| route.method.clone()).collect();
        if methods.contains(&Method::GET) {
            methods.push(Method::HEAD);
        }
        methods.push(Method::OPTIONS);
        methods
    }
}

fn settable(body: &BodyOf, behaviors: &Behaviors) -> Vec<FieldDescriptor> {
    let BodyOf::Field(field) = body else {
        return Vec::new();
    };
    let Kind::Message(message) = field.kind() else {
        return Vec::new();
    };
    message
        .fields()
        .filter(|field| !behaviors.is_output_only(field))
        .collect()
}

/// How many routes are told to who asked for one that is not there.
const NEAR_MAX: usize = 12;

/// The template with numbers in place of its names, and the names. Two templates that differ in names alone are one path.
fn numbered(template: &str) -> (String, Vec<String>) {
    let mut names = Vec::new();
    let segments: Vec<String> = template
        .split('/')
        .map(
            |segment| match segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
                Some(name) => {
                    names.push(name.to_owned());
                    format!("{{{}}}", names.len())
                }
                None => segment.to_owned(),
            },
        )
        .collect();
    (segments.join("/"), names)
}

/// The field that a path such as `webhook.id` leads to, with those on the way.
fn fields(message: &MessageDescriptor, path: &str) -> Option<Vec<FieldDescriptor>> {
    let mut message = Some(message.clone());
    path.split('.')
        .map(|name| {
            let field = message.as_ref()?.get_field_by_name(name)?;
            message = match field.kind() {
                Kind::Message(inner) => Some(inner),
                _ => None,
            };
            Some(field)
        })
        .collect()
}
