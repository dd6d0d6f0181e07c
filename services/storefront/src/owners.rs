//! Which service owns which path.

/// A service that owns paths under `/api/v1`; its name is that of its role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Users, sessions and keys.
    Accounts,
    /// Products and images.
    Catalog,
    /// Carts.
    Cart,
    /// Stock.
    Inventory,
    /// Orders.
    Orders,
    /// Payments, and the webhooks of their provider.
    Payment,
    /// The webhooks of carriers.
    Shipping,
}

impl Owner {
    /// The name of the role.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accounts => "accounts",
            Self::Catalog => "catalog",
            Self::Cart => "cart",
            Self::Inventory => "inventory",
            Self::Orders => "orders",
            Self::Payment => "payment",
            Self::Shipping => "shipping",
        }
    }
}

/// The owner of a path, where there is one.
#[must_use]
pub fn owner_of(path: &str) -> Option<Owner> {
    let mut segments = path.strip_prefix("/api/v1/")?.split('/');
    let (first, second, third) = (segments.next()?, segments.next(), segments.next());
    match (first, second, third) {
        ("users" | "jwks", _, _) => Some(Owner::Accounts),
        ("products", Some(_), Some("stock")) => Some(Owner::Inventory),
        ("products" | "images", _, _) => Some(Owner::Catalog),
        ("cart", _, _) => Some(Owner::Cart),
        ("orders" | "checkout", _, _) => Some(Owner::Orders),
        ("payments", _, _) | ("webhooks", Some("stripe"), _) => Some(Owner::Payment),
        ("webhooks", Some(_), _) => Some(Owner::Shipping),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_path_has_its_owner() {
        for (path, owner) in [
            ("/api/v1/users/login", Some(Owner::Accounts)),
            ("/api/v1/products", Some(Owner::Catalog)),
            ("/api/v1/products/MUG-01", Some(Owner::Catalog)),
            ("/api/v1/products/MUG-01/stock", Some(Owner::Inventory)),
            ("/api/v1/cart/items/MUG-01", Some(Owner::Cart)),
            ("/api/v1/checkout", Some(Owner::Orders)),
            ("/api/v1/webhooks/stripe", Some(Owner::Payment)),
            ("/api/v1/webhooks/easypost", Some(Owner::Shipping)),
            ("/api/v1/", None),
            ("/api/v2/users", None),
            ("/", None),
        ] {
            assert_eq!(owner_of(path), owner, "{path}");
        }
    }
}
