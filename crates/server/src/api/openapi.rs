//! The description of the APIs: what the handlers' own descriptions leave out.

use utoipa::openapi::path::{Operation, Parameter, ParameterIn};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, Info, License, OpenApi, OpenApiBuilder, Ref, RefOr, Response,
    ResponseBuilder, Schema, tag::TagBuilder,
};

const BASIC: &str = "basic";
const COOKIE: &str = "cookie";

/// What stands above the paths.
pub fn base() -> OpenApi {
    let tag =
        |name: &str, description: &str| TagBuilder::new().name(name).description(Some(description)).build();
    let mut info = Info::new("Rollcall", env!("CARGO_PKG_VERSION"));
    info.description = Some(
        "Which clients of an MQTT fleet are connected, when they were last active, and why they disconnected. \
         The paths under /api/v0002 keep the wire format of IBM Watson IoT Platform."
            .to_owned(),
    );
    info.license = Some(License::new("MIT OR Apache-2.0"));
    let mut basic = Http::new(HttpAuthScheme::Basic);
    basic.description = Some("An API key as user name and its token as password.".to_owned());
    let cookie = "The session of a browser, opened by `POST /api/rollcall/v1/session`. With TLS the name begins \
                  with `__Host-`.";
    let cookie = ApiKey::Cookie(ApiKeyValue::with_description("rollcall_session", cookie));
    let components = ComponentsBuilder::new()
        .security_scheme(BASIC, SecurityScheme::Http(basic))
        .security_scheme(COOKIE, SecurityScheme::ApiKey(cookie))
        .build();
    OpenApiBuilder::new()
        .info(info)
        .components(Some(components))
        .security(Some([BASIC, COOKIE].map(|scheme| SecurityRequirement::new(scheme, [""; 0]))))
        .tags(Some([
            tag("State API", "The state of every client now."),
            tag("Connection Logs API", "What happened to a client."),
            tag("Diagnosis", "What is wrong with a client, what hit many, and the fleet over time."),
            tag("Devices", "The devices that IBM's SDKs read before they ask for a log."),
            tag("Rollcall", "The server itself."),
        ]))
        .build()
}

/// Completes what is derived: lists are not empty; the list of states has for each filter the parameter that excludes,
/// the same with `!` at its name's end; and every call says what it answers to those who may not ask.
pub fn complete(mut description: OpenApi) -> OpenApi {
    let operations = description.paths.paths.values_mut().filter_map(|path| path.get.as_mut());
    for parameter in operations.flat_map(|operation| operation.parameters.iter_mut().flatten()) {
        if let RefOr::T(parameter) = parameter {
            forbid_empty_list(parameter);
        }
    }
    let path = description.paths.paths.get_mut("/api/v0002/clientconnectionstates");
    if let Some(operation) = path.and_then(|path| path.get.as_mut()) {
        add_excluding_filters(operation);
    }
    for path in description.paths.paths.values_mut() {
        let operations = [path.get.as_mut(), path.post.as_mut(), path.delete.as_mut()];
        operations.into_iter().flatten().for_each(add_refusals);
    }
    description
}

/// A filter that is given has at least one value.
fn forbid_empty_list(parameter: &mut Parameter) {
    if let Some(RefOr::T(Schema::Array(list))) = &mut parameter.schema {
        list.min_items = Some(1);
    }
}

fn add_refusals(operation: &mut Operation) {
    for (status, description) in [
        ("401", "Nobody is signed in, or with wrong credentials."),
        ("403", "The credentials do not allow this."),
        (
            "429",
            "Too many wrong credentials came from this address; `Retry-After` says how many seconds to wait.",
        ),
        (
            "503",
            "The server has too much to do, or cannot check credentials now; `Retry-After` says when to try again.",
        ),
    ] {
        let refusal = || RefOr::T(refusal(description));
        operation.responses.responses.entry(status.to_owned()).or_insert_with(refusal);
    }
}

fn refusal(description: &str) -> Response {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("ErrorBody"))).build();
    ResponseBuilder::new().description(description).content("application/json", content).build()
}

fn add_excluding_filters(operation: &mut Operation) {
    let parameters = operation.parameters.get_or_insert_default();
    let excluding: Vec<_> = parameters.iter().filter_map(excluding).collect();
    parameters.extend(excluding);
}

fn excluding(parameter: &RefOr<Parameter>) -> Option<RefOr<Parameter>> {
    let RefOr::T(parameter) = parameter else { return None };
    if parameter.name.starts_with('_') || !matches!(parameter.parameter_in, ParameterIn::Query) {
        return None;
    }
    let mut excluding = parameter.clone();
    excluding.description = Some(format!("Excludes what `{}` finds.", parameter.name));
    excluding.name.push('!');
    Some(RefOr::T(excluding))
}
