//! Whom to trust and who one is, from the files that say so.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls_platform_verifier::Verifier;
use tokio_rustls::rustls::{
    CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{
        CertificateDer, PrivateKeyDer, ServerName, UnixTime,
        pem::{self, PemObject as _},
    },
    server::ParsedCertificate,
};

use super::{TlsError, TlsOptions};

/// Who judges the certificates of servers.
pub(super) fn server(
    options: &TlsOptions,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, TlsError> {
    if options.insecure {
        return Ok(Arc::new(Unchecked(provider)));
    }
    let Some(file) = &options.cacert else {
        let verifier = Verifier::new(provider).map_err(|error| {
            TlsError::Other(format!(
                "the certificates that this system trusts can't be had ({error}); --cacert FILE names others"
            ))
        })?;
        return Ok(Arc::new(verifier));
    };
    let problem = |problem: String| file_error("--cacert", file, problem);
    let mut roots = RootCertStore::empty();
    let certificates = certificates("--cacert", file)?;
    for certificate in &certificates {
        let added = roots.add(certificate.clone());
        added.map_err(|error| problem(format!("a certificate in it is of no use: {error}")))?;
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(roots.into(), provider).build();
    let authorities = verifier.map_err(|error| problem(error.to_string()))?;
    Ok(Arc::new(Named {
        authorities,
        certificates,
    }))
}

/// Trusts the authorities of a file and, as curl does, a server that shows one of the very certificates in it, though it
/// be an authority's own (CA:TRUE), as `openssl req -x509` makes one.
#[derive(Debug)]
struct Named {
    authorities: Arc<WebPkiServerVerifier>,
    certificates: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for Named {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let judge = &self.authorities;
        match judge.verify_server_cert(certificate, between, name, ocsp, now) {
            // The time has been looked at before that, the name has not.
            Err(Error::InvalidCertificate(error))
                if is_an_authority_s(&error) && self.certificates.contains(certificate) =>
            {
                verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
                Ok(ServerCertVerified::assertion())
            }
            judged => judged,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let judge = &self.authorities;
        judge.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let judge = &self.authorities;
        judge.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.authorities.supported_verify_schemes()
    }
}

/// What becomes of a server's certificate, for people.
pub(super) fn checks(options: &TlsOptions) -> String {
    let server = match (&options.cacert, options.insecure) {
        (_, true) => "the service's certificate is not checked (--insecure)".to_owned(),
        (Some(file), _) => format!("its certificate is checked against {}", file.display()),
        (None, _) => "its certificate is checked as this system does".to_owned(),
    };
    match &options.cert {
        Some(file) => format!("{server}; own certificate {}", file.display()),
        None => server,
    }
}

/// Who a client is.
pub(super) struct Own {
    /// The file that says so.
    pub(super) file: PathBuf,
    /// Its own certificate, and those that lead from it to an authority.
    pub(super) chain: Vec<CertificateDer<'static>>,
    /// The private key of its own.
    pub(super) key: PrivateKeyDer<'static>,
}

/// The client's certificate, where it has one.
pub(super) fn own(options: &TlsOptions) -> Result<Option<Own>, TlsError> {
    let Some(file) = &options.cert else {
        return Ok(None);
    };
    let chain = certificates("--cert", file)?;
    let (flag, path) = match &options.key {
        Some(key) => ("--key", key),
        None => ("--cert", file),
    };
    let key = PrivateKeyDer::from_pem_slice(&read(flag, path)?).map_err(|error| {
        let problem = match error {
            pem::Error::NoItemsFound if options.key.is_none() => {
                "it has no private key; --key FILE names the file that has".to_owned()
            }
            pem::Error::NoItemsFound => {
                "it has no private key in PEM that can be read; one with a password can't"
                    .to_owned()
            }
            error => format!("its private key can't be read: {error}"),
        };
        file_error(flag, path, problem)
    })?;
    Ok(Some(Own {
        file: file.clone(),
        chain,
        key,
    }))
}

/// All certificates of a file, one at least.
fn certificates(flag: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(flag, path)?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match all {
        Ok(all) if all.is_empty() => Err(file_error(
            flag,
            path,
            "it has no certificate in PEM (-----BEGIN CERTIFICATE-----)".to_owned(),
        )),
        Ok(all) => Ok(all),
        Err(error) => Err(file_error(
            flag,
            path,
            format!("a certificate in it can't be read: {error}"),
        )),
    }
}

fn read(flag: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    let text = fs::read(path);
    text.map_err(|error: io::Error| file_error(flag, path, error.to_string()))
}

fn file_error(flag: &'static str, path: &Path, problem: String) -> TlsError {
    TlsError::File {
        flag,
        path: path.to_owned(),
        problem,
    }
}

/// Takes every certificate. Whoever has sent it must have its key all the same: what else is signed is not read.
#[derive(Debug)]
struct Unchecked(Arc<CryptoProvider>);

impl ServerCertVerifier for Unchecked {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// What is wrong with a server's certificate, for people; `name` is whom it should be for.
pub(super) fn certificate_problem(error: &CertificateError, name: &str) -> String {
    use CertificateError as Wrong;
    match error {
        Wrong::UnknownIssuer => {
            "its certificate is from an authority that is not trusted here; --cacert FILE names it, \
             --insecure takes any"
                .to_owned()
        }
        Wrong::Expired | Wrong::ExpiredContext { .. } => "its certificate has expired".to_owned(),
        Wrong::NotValidYet | Wrong::NotValidYetContext { .. } => {
            "its certificate is not valid yet; is the clock of this machine right?".to_owned()
        }
        Wrong::NotValidForName | Wrong::NotValidForNameContext { .. } => {
            format!("its certificate is not for `{name}` but for another name")
        }
        other if is_an_authority_s(other) => {
            "it shows the certificate of an authority (CA:TRUE), as `openssl req -x509` makes one; name that very one with \
             --cacert FILE, give it a certificate for servers (CA:FALSE), or take any with --insecure"
                .to_owned()
        }
        other => format!("its certificate is not taken: {other}"),
    }
}

/// Whether a server shows a certificate that can only sign others (RFC 5280, section 4.2.1.9). rustls has it from a crate
/// that is not named here, and passes it on as a text.
fn is_an_authority_s(error: &CertificateError) -> bool {
    matches!(error, CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity"))
}
