//! A shop of a test's own: a namespace, its policy, its articles and the orders placed in it.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, DeleteParams, ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Resource, ResourceExt};
use resources::{Item, Order, OrderPhase, Shop};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::order::OrderBuilder;
use crate::stack::{Stack, unique};
use crate::waiting::{PATIENCE, Watched, watch_until};

/// A namespace of a test's own. [`TestShop::close`] removes it; so does dropping it.
pub struct TestShop {
    /// The stack that it is on.
    pub stack: Stack,
    /// Its namespace.
    pub namespace: String,
    pub(crate) articles: Mutex<BTreeMap<String, i64>>,
    pub(crate) orders: Mutex<Vec<Placed>>,
    closed: bool,
}

/// An order that was placed.
#[derive(Clone, Debug)]
pub struct Placed {
    /// Its name.
    pub name: String,
    /// Its order id.
    pub id: String,
    /// Where messages about it go.
    pub email: String,
    /// What was ordered.
    pub items: Vec<Item>,
}

/// The spec of a Shop, field by field.
#[derive(Clone, Debug, Default)]
pub struct Policy(serde_json::Map<String, Value>);

/// A policy that says nothing yet: the defaults.
#[must_use]
pub fn policy() -> Policy {
    Policy::default()
}

impl Policy {
    /// With this field of `Shop.spec`.
    #[must_use]
    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.0.insert(field.to_owned(), value.into());
        self
    }
}

impl Stack {
    /// A shop without a Shop resource: the defaults hold.
    ///
    /// # Errors
    /// When the namespace cannot be made.
    pub async fn shop(&self) -> anyhow::Result<TestShop> {
        let namespace = unique("test");
        let metadata = ObjectMeta { name: Some(namespace.clone()), ..ObjectMeta::default() };
        let made = Namespace { metadata, ..Namespace::default() };
        let api: Api<Namespace> = Api::all(self.kubernetes.clone());
        api.create(&PostParams::default(), &made).await.context("failed to make a namespace")?;
        Ok(TestShop {
            stack: self.clone(),
            namespace,
            articles: Mutex::default(),
            orders: Mutex::default(),
            closed: false,
        })
    }

    /// A shop with this policy.
    ///
    /// # Errors
    /// When the namespace or the Shop cannot be made.
    pub async fn shop_with(&self, policy: Policy) -> anyhow::Result<TestShop> {
        let shop = self.shop().await?;
        shop.set_policy(policy).await?;
        Ok(shop)
    }
}

impl TestShop {
    /// A shop of the stack in the environment, with the default policy.
    ///
    /// # Errors
    /// As [`Stack::from_env`].
    pub async fn open() -> anyhow::Result<Self> {
        Stack::from_env().await?.shop().await
    }

    /// A shop of the stack in the environment, with this policy.
    ///
    /// # Errors
    /// As [`Stack::from_env`].
    pub async fn open_with(policy: Policy) -> anyhow::Result<Self> {
        Stack::from_env().await?.shop_with(policy).await
    }

    /// Sets the shop's policy, or another one.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn set_policy(&self, policy: Policy) -> anyhow::Result<()> {
        let shop = json!({
            "apiVersion": "supercargo.dev/v1alpha1", "kind": "Shop", "metadata": {"name": "default"}, "spec": policy.0,
        });
        let parameters = PatchParams::apply("tests").force();
        self.api::<Shop>()
            .patch("default", &parameters, &Patch::Apply(&shop))
            .await
            .context("failed to set the policy")?;
        Ok(())
    }

    /// The resources of a kind in this namespace.
    #[must_use]
    pub fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.stack.kubernetes.clone(), &self.namespace)
    }

    /// A new article of that price and stock; answers its SKU.
    ///
    /// # Errors
    /// As [`Stack::article`].
    pub async fn article(&self, price: &str, stock: i64) -> anyhow::Result<String> {
        let sku = self.stack.article(price, stock).await?;
        self.articles.lock().unwrap_or_else(PoisonError::into_inner).insert(sku.clone(), stock);
        Ok(sku)
    }

    /// Places an order.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn place(&self, order: OrderBuilder) -> anyhow::Result<Placed> {
        let order = order.build();
        let created = self.api::<Order>().create(&PostParams::default(), &order).await;
        self.remember(&created.context("failed to place an order")?)
    }

    /// Takes an order that was applied otherwise into the books of this test.
    ///
    /// # Errors
    /// When it has no UID.
    pub fn remember(&self, order: &Order) -> anyhow::Result<Placed> {
        let placed = Placed {
            name: order.name_any(),
            id: resources::order_id(order).context("an order without a UID")?,
            email: order.spec.customer.email.clone(),
            items: order.spec.items.clone(),
        };
        self.orders.lock().unwrap_or_else(PoisonError::into_inner).push(placed.clone());
        Ok(placed)
    }

    /// Changes an order by a merge patch.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn change(&self, order: &Placed, patch: Value) -> anyhow::Result<Order> {
        let patched =
            self.api::<Order>().patch(&order.name, &PatchParams::default(), &Patch::Merge(&patch)).await;
        patched.with_context(|| format!("failed to change the order {} by {patch}", order.name))
    }

    /// Cancels an order.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn cancel(&self, order: &Placed) -> anyhow::Result<()> {
        self.change(order, json!({"spec": {"cancel": {"reason": "customer request"}}})).await.map(|_| ())
    }

    /// Deletes an order, without waiting for it to go.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn delete(&self, order: &Placed) -> anyhow::Result<()> {
        let deleted = self.api::<Order>().delete(&order.name, &DeleteParams::background()).await;
        deleted.with_context(|| format!("failed to delete the order {}", order.name)).map(|_| ())
    }

    /// Takes the finalizer off an order that waits for a person, so that its namespace can go.
    ///
    /// # Errors
    /// When the API server refuses, or the order stays.
    pub async fn let_go(&self, order: &Placed) -> anyhow::Result<()> {
        self.change(order, json!({"metadata": {"finalizers": null}})).await?;
        match self.api::<Order>().delete(&order.name, &DeleteParams::background()).await {
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            outcome => outcome.map(|_| ()).context("failed to delete an order that was let go"),
        }
    }

    /// Watches an order until the condition holds. An order that ends otherwise is not waited for any longer.
    ///
    /// # Errors
    /// When it does not come to hold, with all that is known of the order.
    pub async fn wait(
        &self,
        order: &Placed,
        what: &str,
        condition: impl Fn(&Order) -> bool,
    ) -> anyhow::Result<Order> {
        let ended =
            |order: &Order| phase(order).is_some_and(OrderPhase::is_finished) && generation_seen(order);
        let holds = |state: Option<&Order>| state.is_none_or(|order| condition(order) || ended(order));
        let state = match watch_until(self.api(), &order.name, PATIENCE, holds).await {
            Watched::Holds(Some(state)) if condition(&state) => return Ok(state),
            Watched::Holds(Some(state)) => format!("it has ended {:?} instead", phase(&state)),
            Watched::Holds(None) => "it is gone".to_owned(),
            Watched::Late(_) => format!("not after {PATIENCE:?}"),
        };
        let told = self.describe(&order.name).await;
        anyhow::bail!("waited until the order {what}: {state}\n{told}")
    }

    /// Watches an order until it is in that phase.
    ///
    /// # Errors
    /// As [`TestShop::wait`].
    pub async fn reaches(&self, order: &Placed, wanted: OrderPhase) -> anyhow::Result<Order> {
        self.wait(order, &format!("is {wanted}"), |order| phase(order) == Some(wanted)).await
    }

    /// Watches an order until it is in that phase for that reason.
    ///
    /// # Errors
    /// As [`TestShop::wait`].
    pub async fn rests(&self, order: &Placed, wanted: OrderPhase, reason: &str) -> anyhow::Result<Order> {
        let holds = |order: &Order| phase(order) == Some(wanted) && self::reason(order) == Some(reason);
        self.wait(order, &format!("is {wanted}, {reason}"), holds).await
    }

    /// Watches an order until it is completed.
    ///
    /// # Errors
    /// As [`TestShop::wait`].
    pub async fn completes(&self, order: &Placed) -> anyhow::Result<Order> {
        self.reaches(order, OrderPhase::Completed).await
    }

    /// Watches until the order's resource is gone.
    ///
    /// # Errors
    /// When it stays.
    pub async fn gone(&self, order: &Placed) -> anyhow::Result<()> {
        let api = self.api::<Order>();
        match watch_until(api, &order.name, PATIENCE, |state| state.is_none_or(|one| uid_differs(one, order)))
            .await
        {
            Watched::Holds(_) => Ok(()),
            Watched::Late(_) => {
                let told = self.describe(&order.name).await;
                anyhow::bail!("the order {} is still there after {PATIENCE:?}\n{told}", order.name)
            }
        }
    }

    /// Watches a child of an order, which carries its name, until the condition holds.
    ///
    /// # Errors
    /// When it does not come to hold, with all that is known of the order.
    pub async fn child<C>(
        &self,
        order: &Placed,
        what: &str,
        condition: impl Fn(&C) -> bool,
    ) -> anyhow::Result<C>
    where
        C: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + Debug
            + DeserializeOwned
            + Send
            + 'static,
    {
        let holds = |state: Option<&C>| state.is_some_and(&condition);
        if let Watched::Holds(Some(child)) = watch_until(self.api(), &order.name, PATIENCE, holds).await {
            return Ok(child);
        }
        let told = self.describe(&order.name).await;
        anyhow::bail!("waited {PATIENCE:?} until its {} {what}\n{told}", C::kind(&()))
    }

    /// Removes the namespace, without waiting for it to go.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn close(mut self) -> anyhow::Result<()> {
        self.closed = true;
        remove(&self.stack.kubernetes, &self.namespace).await
    }
}

impl Drop for TestShop {
    /// A failed test leaves no namespace either: in a thread of its own, since the test's runtime is ending.
    fn drop(&mut self) {
        if self.closed || std::env::var_os("KEEP_NAMESPACES").is_some() {
            return;
        }
        let namespace = std::mem::take(&mut self.namespace);
        let removing = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
            runtime.block_on(async {
                let client = crate::stack::kubernetes().await.ok()?;
                let removing = remove(&client, &namespace);
                tokio::time::timeout(Duration::from_secs(10), removing).await.ok()?.ok()
            })
        });
        // Best effort: what is left lies in a namespace that nobody uses.
        let _ = removing.join();
    }
}

async fn remove(client: &kube::Client, namespace: &str) -> anyhow::Result<()> {
    let api: Api<Namespace> = Api::all(client.clone());
    match api.delete(namespace, &DeleteParams::background()).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => Ok(()),
        Err(error) => Err(error).with_context(|| format!("failed to remove the namespace {namespace}")),
    }
}

fn phase(order: &Order) -> Option<OrderPhase> {
    order.status.as_ref().and_then(|status| status.phase)
}

fn reason(order: &Order) -> Option<&str> {
    order.status.as_ref().and_then(|status| status.reason.as_deref())
}

/// What was written last has been looked at.
fn generation_seen(order: &Order) -> bool {
    order.status.as_ref().and_then(|status| status.observed_generation) == order.metadata.generation
}

fn uid_differs(order: &Order, placed: &Placed) -> bool {
    resources::order_id(order).as_deref() != Some(placed.id.as_str())
}
