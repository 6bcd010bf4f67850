//! What a server writes into the lock file, so that commands find it.

use std::net::{Ipv4Addr, SocketAddr};

/// What a server that listens at these addresses announces.
pub(crate) fn announcement(pg: Option<SocketAddr>, flight: Option<SocketAddr>) -> String {
    let reachable = |mut address: SocketAddr| {
        if address.ip().is_unspecified() {
            address.set_ip(Ipv4Addr::LOCALHOST.into());
        }
        address
    };
    match (pg, flight) {
        (Some(address), _) => format!("postgres://hyprstream@{}/hyprstream", reachable(address)),
        (None, Some(address)) => format!("grpc://{}", reachable(address)),
        (None, None) => "it does not listen".into(),
    }
}

/// The address for Postgres clients in an announcement.
pub(super) fn postgres_address(announcement: &str) -> Option<&str> {
    announcement.strip_prefix("postgres://hyprstream@")?.strip_suffix("/hyprstream")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_announcement_says_where_to_connect() {
        let everywhere = "0.0.0.0:5433".parse().unwrap();
        let announced = announcement(Some(everywhere), None);
        assert_eq!(postgres_address(&announced), Some("127.0.0.1:5433"));
        let flight_only = announcement(None, Some("127.0.0.1:50051".parse().unwrap()));
        assert_eq!(postgres_address(&flight_only), None);
    }
}
