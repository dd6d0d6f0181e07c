//! ServiceAccounts: nobody whose requests are measured is of `system:masters`, which the API server's fairness does not hold back.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use kube::api::{Api, PostParams};
use kube::config::Kubeconfig;
use serde_json::json;
use testkit::TestShop;

/// The account of the operator and the services.
const PROGRAMS: &str = "supercargo";
/// The account that orders.
const SHOPPERS: &str = "shopper";

/// An account and its token.
pub struct Account {
    name: &'static str,
    token: String,
}

impl Account {
    /// May handle orders.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub async fn of_shoppers(shop: &TestShop) -> anyhow::Result<Self> {
        let role = format!("{SHOPPERS}-{}", shop.namespace);
        let wanted: ClusterRole = serde_json::from_value(json!({
            "metadata": {"name": role},
            "rules": [{"apiGroups": ["supercargo.dev"], "resources": ["orders", "orders/status"], "verbs": ["*"]}],
        }))?;
        let roles: Api<ClusterRole> = Api::all(shop.stack.kubernetes.clone());
        roles.create(&PostParams::default(), &wanted).await.context("failed to make a role")?;
        Self::open(shop, SHOPPERS, &role).await
    }

    /// May do everything, as an account like any other.
    ///
    /// # Errors
    /// As [`Account::of_shoppers`].
    pub async fn of_programs(shop: &TestShop) -> anyhow::Result<Self> {
        Self::open(shop, PROGRAMS, "cluster-admin").await
    }

    async fn open(shop: &TestShop, name: &'static str, role: &str) -> anyhow::Result<Self> {
        let (admin, create) = (&shop.stack.kubernetes, PostParams::default());
        let account: ServiceAccount = serde_json::from_value(json!({"metadata": {"name": name}}))?;
        let accounts: Api<ServiceAccount> = Api::namespaced(admin.clone(), &shop.namespace);
        accounts.create(&create, &account).await.context("failed to make a ServiceAccount")?;
        let binding: ClusterRoleBinding = serde_json::from_value(json!({
            "metadata": {"name": format!("{name}-{}", shop.namespace)},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": shop.namespace}],
        }))?;
        let bindings: Api<ClusterRoleBinding> = Api::all(admin.clone());
        bindings.create(&create, &binding).await.context("failed to bind a role")?;
        let request: TokenRequest =
            serde_json::from_value(json!({"spec": {"audiences": [], "expirationSeconds": 36_000}}))?;
        let token = accounts
            .create_token_request(name, &create, &request)
            .await
            .context("failed to get a token")?
            .status
            .and_then(|status| status.token)
            .context("the API server gave no token")?;
        Ok(Self { name, token })
    }

    /// A client of this account.
    ///
    /// # Errors
    /// When `KUBECONFIG` cannot be read.
    pub async fn client(&self) -> anyhow::Result<kube::Client> {
        let mut config = kube::Config::infer().await.context("failed to read KUBECONFIG")?;
        config.proxy_url = None;
        config.auth_info = kube::config::AuthInfo {
            token: Some(self.token.clone().into()),
            ..kube::config::AuthInfo::default()
        };
        kube::Client::try_from(config).context("failed to make a client")
    }

    /// A kubeconfig of this account in `folder`: that of `KUBECONFIG`, with another user.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn kubeconfig(&self, folder: &Path) -> anyhow::Result<PathBuf> {
        let mut config = Kubeconfig::read().context("failed to read KUBECONFIG")?;
        for user in &mut config.auth_infos {
            user.auth_info = Some(kube::config::AuthInfo {
                token: Some(self.token.clone().into()),
                ..kube::config::AuthInfo::default()
            });
        }
        let path = folder.join(format!("{}.kubeconfig", self.name));
        // Of itself it hides the token when it is written.
        let mut text = serde_json::to_value(&config).context("failed to write a kubeconfig")?;
        for user in text["users"].as_array_mut().into_iter().flatten() {
            user["user"]["token"] = json!(self.token);
        }
        std::fs::write(&path, text.to_string())
            .with_context(|| format!("failed to write {}", path.display()))?;
        Ok(path)
    }
}
