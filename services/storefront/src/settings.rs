//! The gateway's settings.

use clap::Args;

/// How the gateway behaves.
#[derive(Args, Clone, Debug)]
#[group(id = "storefront")]
pub struct Settings {
    /// Where a service is reached that runs in another process; {service} stands for its name.
    #[arg(long, env = "SERVICE_URL", default_value = "http://supercargo-{service}:8080", value_name = "URL")]
    pub service_url: String,
    /// Web pages of which origins may call the API from a browser, separated by commas, for example
    /// https://shop.example.com; none when empty.
    #[arg(long, env = "CORS_ORIGINS", default_value = "", value_name = "ORIGINS")]
    pub cors_origins: String,
    /// How many requests a second an address may send on average; ten times as many at once.
    #[arg(long, env = "RATE_LIMIT_ADDRESS", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    pub rate_limit_address: u32,
    /// How many requests a second a user may send on average, from all their addresses; ten times as many at once.
    #[arg(long, env = "RATE_LIMIT_USER", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    pub rate_limit_user: u32,
    /// How many times a minute an address may sign up.
    #[arg(long, env = "RATE_LIMIT_SIGNUP", default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..))]
    pub rate_limit_signup: u32,
    /// How many times a minute an address may try to log in.
    #[arg(long, env = "RATE_LIMIT_LOGIN", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    pub rate_limit_login: u32,
    /// How many proxies in front of the gateway add to X-Forwarded-For: 0 when clients reach it directly.
    #[arg(long, env = "FORWARDED_HOPS", default_value_t = 0, value_name = "NUMBER")]
    pub forwarded_hops: usize,
}
