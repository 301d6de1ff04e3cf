//! Why the simulated visitors stopped.

/// Why the simulation stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The shop does not answer.
    #[error("the shop at {base_url} does not answer: {error}; start it first")]
    Away {
        /// Where it should be.
        base_url: String,
        /// Why.
        error: reqwest::Error,
    },
    /// The edge serves no shop.
    #[error("the edge at {base_url} serves no shop: start it with producer.shop = true")]
    NoShop {
        /// Where it is.
        base_url: String,
    },
    /// The shop or the edge answered with an unexpected status.
    #[error("the shop answered {status} to {path}")]
    Refused {
        /// The status.
        status: u16,
        /// The path of the request.
        path: String,
    },
}
