//! Topics with `$` at the beginning of a level: who subscribes to them, and what the library may see of them.
//!
//! MQTT gives `$` a meaning at the beginning of a topic only (MQTT 5, section 4.7.2). The broker's library takes a topic
//! with a `$` at the beginning of any later level for invalid: it refuses to subscribe to it and drops what is published
//! there, and a client id may begin with a `$` and is a level of its monitor topic. [`Routes`] hides such a `$` from the
//! library's own table of subscriptions behind a character that no topic may have; the storage of retained messages does
//! the same. Everybody else sees topics as they are.

use std::borrow::Cow;

use async_trait::async_trait;
use rmqtt::Result;
use rmqtt::context::ServerContext;
use rmqtt::router::{DefaultRouter, Router};
use rmqtt::types::{
    AllRelationsMap, HashMap, Id, NodeId, Route, SubRelationsMap, SubsSearchParams, SubsSearchResult,
    SubscriptionOptions, TopicFilter, TopicName,
};
use rmqtt::utils::Counter;

/// U+0000 must not be in a topic (MQTT 5, section 1.5.4). Where it is all the same, at the beginning of a level, it is
/// doubled, so that no two topics become one.
const HIDDEN: char = '\0';

/// The topic or filter as the library may see it.
pub fn hidden(topic: &str) -> Cow<'_, str> {
    if !topic.contains("/$") && !topic.contains("/\0") {
        return Cow::Borrowed(topic);
    }
    let mut levels = topic.split('/');
    let mut hidden = levels.next().unwrap_or_default().to_owned();
    for level in levels {
        hidden.push('/');
        if level.starts_with(['$', HIDDEN]) {
            hidden.push(HIDDEN);
        }
        hidden.push_str(level);
    }
    Cow::Owned(hidden)
}

/// The topic or filter that was [`hidden`].
pub fn shown(hidden: &str) -> Cow<'_, str> {
    if !hidden.contains("/\0") {
        return Cow::Borrowed(hidden);
    }
    let mut levels = hidden.split('/');
    let mut topic = levels.next().unwrap_or_default().to_owned();
    for level in levels {
        topic.push('/');
        topic.push_str(level.strip_prefix(HIDDEN).unwrap_or(level));
    }
    Cow::Owned(topic)
}

/// The library's own table of subscriptions, but for such topics.
pub struct Routes(DefaultRouter);

impl Routes {
    pub fn new(context: &ServerContext) -> Self {
        Self(DefaultRouter::new(Some(context.clone())))
    }
}

#[async_trait]
impl Router for Routes {
    async fn add(&self, filter: &str, id: Id, options: SubscriptionOptions) -> Result<()> {
        self.0.add(&hidden(filter), id, options).await
    }

    async fn remove(&self, filter: &str, id: Id) -> Result<bool> {
        self.0.remove(&hidden(filter), id).await
    }

    async fn matches(&self, id: Id, topic: &TopicName) -> Result<SubRelationsMap> {
        let mut found = match hidden(topic) {
            Cow::Borrowed(_) => self.0.matches(id, topic).await?,
            Cow::Owned(hidden) => self.0.matches(id, &TopicName::from(hidden)).await?,
        };
        for (filter, ..) in found.values_mut().flatten() {
            if let Cow::Owned(shown) = shown(filter) {
                *filter = TopicFilter::from(shown);
            }
        }
        Ok(found)
    }

    async fn is_online(&self, node: NodeId, client_id: &str) -> bool {
        self.0.is_online(node, client_id).await
    }

    async fn gets(&self, limit: usize) -> Vec<Route> {
        self.0.gets(limit).await
    }

    async fn get(&self, topic: &str) -> Result<Vec<Route>> {
        self.0.get(&hidden(topic)).await
    }

    async fn query_subscriptions(&self, query: &SubsSearchParams) -> Vec<SubsSearchResult> {
        self.0.query_subscriptions(query).await
    }

    async fn topics_tree(&self) -> usize {
        self.0.topics_tree().await
    }

    fn topics(&self) -> Counter {
        self.0.topics()
    }

    fn routes(&self) -> Counter {
        self.0.routes()
    }

    fn merge_topics(&self, topics: &HashMap<NodeId, Counter>) -> Counter {
        self.0.merge_topics(topics)
    }

    fn merge_routes(&self, routes: &HashMap<NodeId, Counter>) -> Counter {
        self.0.merge_routes(routes)
    }

    async fn list_topics(&self, most: usize) -> Vec<String> {
        self.0.list_topics(most).await
    }

    async fn list_relations(&self, most: usize) -> Vec<serde_json::Value> {
        self.0.list_relations(most).await
    }

    fn relations(&self) -> &AllRelationsMap {
        self.0.relations()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn what_is_hidden_is_shown_as_it_was_and_no_two_topics_become_one() {
        let topics =
            ["", "/", "a/b", "$SYS/x", "a/$b", "a/\0$b", "a/\0\0$b", "a/\0b", "\0/$", "/$/$$/c$", "a/+/$b/#"];
        for topic in topics {
            assert_eq!(shown(&hidden(topic)), topic, "{topic:?}");
        }
        let all: HashSet<_> = topics.iter().map(|topic| hidden(topic)).collect();
        assert_eq!(all.len(), topics.len());
    }

    #[test]
    fn only_a_dollar_behind_a_slash_is_hidden() {
        for plain in ["a/b", "$SYS/x", "a$/b$", "\0", "$"] {
            assert_eq!(hidden(plain), plain);
        }
        assert_eq!(hidden("a/$b/c/$"), "a/\0$b/c/\0$");
    }
}
