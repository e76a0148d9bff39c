//! The description of the APIs: what the handlers' own descriptions leave out.

use utoipa::openapi::path::{Operation, Parameter, ParameterIn};
use utoipa::openapi::{Info, License, OpenApi, OpenApiBuilder, RefOr, Schema, tag::TagBuilder};

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
    OpenApiBuilder::new()
        .info(info)
        .tags(Some([
            tag("State API", "The state of every client now."),
            tag("Connection Logs API", "What happened to a client."),
            tag("Devices", "The devices that IBM's SDKs read before they ask for a log."),
            tag("Rollcall", "The server itself."),
        ]))
        .build()
}

/// Completes what is derived: lists are not empty, and the list of states has for each filter the parameter that
/// excludes, the same with `!` at its name's end.
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
    description
}

/// A filter that is given has at least one value.
fn forbid_empty_list(parameter: &mut Parameter) {
    if let Some(RefOr::T(Schema::Array(list))) = &mut parameter.schema {
        list.min_items = Some(1);
    }
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
