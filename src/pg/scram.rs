//! SCRAM-SHA-256 (RFC 5802 and 7677), without channel binding: there is no channel to bind to before TLS.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, Mac};
use pbkdf2::pbkdf2_hmac_array;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The only mechanism that is offered.
pub(crate) const MECHANISM: &str = "SCRAM-SHA-256";

const ITERATIONS: u32 = 4096;

type Hash = [u8; 32];

/// What the server keeps of a password.
#[derive(Debug, Clone)]
pub(crate) struct Verifier {
    salt: [u8; 16],
    stored_key: Hash,
    server_key: Hash,
}

impl Verifier {
    /// Derives the keys of a password under a fresh salt.
    pub(crate) fn new(password: &str) -> Self {
        Self::with_salt(password, rand::random())
    }

    fn with_salt(password: &str, salt: [u8; 16]) -> Self {
        let salted: Hash = pbkdf2_hmac_array::<Sha256, 32>(password.as_bytes(), &salt, ITERATIONS);
        Self {
            salt,
            stored_key: Sha256::digest(hmac(&salted, b"Client Key")).into(),
            server_key: hmac(&salted, b"Server Key"),
        }
    }
}

/// An exchange after its first message.
#[derive(Debug)]
pub(crate) struct Exchange {
    header: String,
    nonce: String,
    /// The client's first message without its header, and the server's answer.
    transcript: String,
}

/// Answers the client's first message, or says what is wrong with it.
pub(crate) fn first(verifier: &Verifier, client_first: &str) -> Result<(Exchange, String), &'static str> {
    let server_nonce = BASE64.encode(rand::random::<[u8; 18]>());
    first_with_nonce(verifier, client_first, &server_nonce)
}

fn first_with_nonce(
    verifier: &Verifier,
    client_first: &str,
    server_nonce: &str,
) -> Result<(Exchange, String), &'static str> {
    let mut parts = client_first.splitn(3, ',');
    let (flag, identity) = (parts.next().unwrap_or_default(), parts.next());
    let (Some(identity), Some(bare)) = (identity, parts.next()) else {
        return Err("malformed SCRAM message");
    };
    if flag.starts_with("p=") {
        return Err("channel binding is not available without TLS");
    }
    if !matches!(flag, "n" | "y") || !(identity.is_empty() || identity.starts_with("a=")) {
        return Err("malformed SCRAM message");
    }
    // The user's name is the one of the startup packet; the one in here is ignored, as in Postgres.
    let client_nonce = bare
        .split(',')
        .find_map(|attribute| attribute.strip_prefix("r="))
        .filter(|nonce| !nonce.is_empty())
        .ok_or("malformed SCRAM message")?;
    let nonce = format!("{client_nonce}{server_nonce}");
    let reply = format!("r={nonce},s={},i={ITERATIONS}", BASE64.encode(verifier.salt));
    let header = BASE64.encode(format!("{flag},{identity},"));
    Ok((Exchange { header, nonce, transcript: format!("{bare},{reply}") }, reply))
}

impl Exchange {
    /// Checks the client's proof; the answer proves in turn that the server knows the password's keys.
    pub(crate) fn finish(&self, verifier: &Verifier, client_final: &str) -> Option<String> {
        let (without_proof, proof) = client_final.rsplit_once(",p=")?;
        let mut attributes = without_proof.split(',');
        let header = attributes.next()?.strip_prefix("c=")?;
        let nonce = attributes.next()?.strip_prefix("r=")?;
        if header != self.header || nonce != self.nonce {
            return None;
        }
        let proof: Hash = BASE64.decode(proof).ok()?.try_into().ok()?;
        let transcript = format!("{},{without_proof}", self.transcript);
        let signature = hmac(&verifier.stored_key, transcript.as_bytes());
        let client_key = xor(proof, signature);
        let matches = Sha256::digest(client_key)[..].ct_eq(&verifier.stored_key);
        bool::from(matches).then(|| {
            let signature = hmac(&verifier.server_key, transcript.as_bytes());
            format!("v={}", BASE64.encode(signature))
        })
    }
}

fn xor(left: Hash, right: Hash) -> Hash {
    std::array::from_fn(|index| left[index] ^ right[index])
}

fn hmac(key: &Hash, message: &[u8]) -> Hash {
    // HMAC itself fills a short key up with zeros; a whole block is a key that cannot be refused.
    let mut block = [0; 64];
    block[..key.len()].copy_from_slice(key);
    Hmac::<Sha256>::new(&block.into()).chain_update(message).finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use postgres_protocol::authentication::sasl::{ChannelBinding, ScramSha256};

    use super::*;

    /// The example exchange of RFC 7677, whose user name differs from what Postgres sends and is ignored.
    #[test]
    fn the_exchange_of_the_standard_is_accepted() {
        let salt: [u8; 16] = BASE64.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap().try_into().unwrap();
        let verifier = Verifier::with_salt("pencil", salt);
        let (exchange, reply) =
            first_with_nonce(&verifier, "n,,n=user,r=rOprNGfwEbeRWgbNEkqO", "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0")
                .unwrap();
        assert_eq!(
            reply,
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
        );
        let proof = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        let last = exchange.finish(&verifier, proof).unwrap();
        assert_eq!(last, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    }

    #[test]
    fn a_wrong_password_a_short_proof_and_another_nonce_are_refused() {
        let verifier = Verifier::new("right");
        let answer = |password: &str| {
            let mut client = ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
            let text = |client: &ScramSha256| String::from_utf8(client.message().to_vec()).unwrap();
            let (exchange, reply) = first(&verifier, &text(&client)).unwrap();
            client.update(reply.as_bytes()).unwrap();
            let proof = text(&client);
            (client, exchange, proof)
        };
        let (_, exchange, proof) = answer("wrong");
        assert_eq!(exchange.finish(&verifier, &proof), None);
        let (mut client, exchange, proof) = answer("right");
        assert_eq!(exchange.finish(&verifier, &format!("{}=", &proof[..proof.len() - 4])), None);
        assert_eq!(exchange.finish(&verifier, &proof.replacen("r=", "r=x", 1)), None);
        let signature = exchange.finish(&verifier, &proof).unwrap();
        client.finish(signature.as_bytes()).unwrap();
    }

    #[test]
    fn malformed_messages_are_refused() {
        let verifier = Verifier::new("p");
        for message in ["", "n", "n,,", "n,,n=,r=", "x,,n=,r=a", "p=tls-unique,,n=,r=a"] {
            assert!(first(&verifier, message).is_err(), "{message}");
        }
    }
}
