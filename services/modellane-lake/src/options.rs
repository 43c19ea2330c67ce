//! The options that each kind of store knows.

use crate::LakeError;
use object_store::ObjectStoreScheme;
use object_store::aws::AmazonS3ConfigKey;
use object_store::azure::AzureConfigKey;
use object_store::gcp::GoogleConfigKey;
use std::collections::BTreeMap;
use std::str::FromStr;
use url::Url;

/// Refuses an option that the store does not know. The store's own builder leaves it out without a word, so
/// that a misspelt endpoint or region would show as a failure of the network, or not at all.
pub(crate) fn check(url: &Url, options: &BTreeMap<String, String>) -> Result<(), LakeError> {
    match ObjectStoreScheme::parse(url) {
        Ok((ObjectStoreScheme::AmazonS3, _)) => each::<AmazonS3ConfigKey>("S3", &[S3, CLIENT], options),
        Ok((ObjectStoreScheme::MicrosoftAzure, _)) => {
            each::<AzureConfigKey>("Azure", &[AZURE, CLIENT], options)
        }
        Ok((ObjectStoreScheme::GoogleCloudStorage, _)) => {
            each::<GoogleConfigKey>("Google Cloud Storage", &[GOOGLE, CLIENT], options)
        }
        Ok((ObjectStoreScheme::Local | ObjectStoreScheme::Memory, _)) => none(options),
        // Whoever opens such a URL is told that it cannot be used.
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Refuses every option: a directory has none.
pub(crate) fn none(options: &BTreeMap<String, String>) -> Result<(), LakeError> {
    match options.keys().next() {
        None => Ok(()),
        Some(name) => Err(LakeError::Config(format!(
            "option {name} is unknown: a directory has no options; they belong to a url of S3, Azure or Google \
             Cloud Storage"
        ))),
    }
}

fn each<K: FromStr>(
    store: &str,
    known: &[&[&str]],
    options: &BTreeMap<String, String>,
) -> Result<(), LakeError> {
    match options.keys().find(|name| name.to_ascii_lowercase().parse::<K>().is_err()) {
        None => Ok(()),
        Some(name) => Err(LakeError::Config(format!(
            "option {name} is unknown to {store}; known are {}",
            known.concat().join(", ")
        ))),
    }
}

/// The names that a message lists; a store takes them without their first word as well.
const S3: &[&str] = &[
    "aws_access_key_id",
    "aws_secret_access_key",
    "aws_session_token",
    "aws_region",
    "aws_default_region",
    "aws_bucket",
    "aws_endpoint",
    "aws_endpoint_url_s3",
    "aws_endpoint_url_sts",
    "aws_allow_http",
    "aws_virtual_hosted_style_request",
    "aws_s3_express",
    "aws_conditional_put",
    "aws_copy_if_not_exists",
    "aws_checksum_algorithm",
    "aws_unsigned_payload",
    "aws_skip_signature",
    "aws_disable_tagging",
    "aws_request_payer",
    "aws_imdsv1_fallback",
    "aws_metadata_endpoint",
    "aws_container_credentials_relative_uri",
    "aws_container_credentials_full_uri",
    "aws_container_authorization_token_file",
    "aws_web_identity_token_file",
    "aws_role_arn",
    "aws_role_session_name",
    "aws_server_side_encryption",
    "aws_sse_kms_key_id",
    "aws_sse_bucket_key_enabled",
    "aws_sse_customer_key_base64",
];

const AZURE: &[&str] = &[
    "azure_storage_account_name",
    "azure_storage_account_key",
    "azure_storage_client_id",
    "azure_storage_client_secret",
    "azure_storage_tenant_id",
    "azure_storage_authority_host",
    "azure_storage_sas_key",
    "azure_storage_token",
    "azure_storage_use_emulator",
    "azure_storage_endpoint",
    "azure_use_fabric_endpoint",
    "azure_msi_endpoint",
    "azure_object_id",
    "azure_msi_resource_id",
    "azure_federated_token_file",
    "azure_use_azure_cli",
    "azure_skip_signature",
    "azure_container_name",
    "azure_disable_tagging",
];

const GOOGLE: &[&str] = &[
    "google_service_account",
    "google_service_account_key",
    "google_application_credentials",
    "google_bucket",
    "google_base_url",
    "google_skip_signature",
];

/// Of the client that speaks HTTP with any of them.
const CLIENT: &[&str] = &[
    "allow_http",
    "allow_invalid_certificates",
    "connect_timeout",
    "http1_only",
    "http2_only",
    "http2_keep_alive_interval",
    "http2_keep_alive_timeout",
    "http2_keep_alive_while_idle",
    "http2_max_frame_size",
    "pool_idle_timeout",
    "pool_max_idle_per_host",
    "proxy_url",
    "proxy_ca_certificate",
    "proxy_excludes",
    "randomize_addresses",
    "timeout",
    "user_agent",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: &str) -> BTreeMap<String, String> {
        BTreeMap::from([(name.to_owned(), "hunter2".to_owned())])
    }

    #[test]
    fn an_unknown_option_is_refused_and_the_known_ones_are_named() {
        for (url, unknown, known) in [
            ("s3://bucket/lake", "aws_regoin", "aws_region"),
            ("az://container@account/lake", "aws_region", "azure_storage_account_name"),
            ("gs://bucket/lake", "google_base", "google_base_url"),
            ("s3://bucket/lake", "timeuot", "timeout"),
        ] {
            let url = Url::parse(url).unwrap();
            let message = check(&url, &one(unknown)).unwrap_err().to_string();
            assert!(message.contains(unknown) && message.contains(known), "{message}");
            assert!(!message.contains("hunter2"), "a message repeats a value, which may be a secret");
            assert!(check(&url, &one(&known.to_ascii_uppercase())).is_ok(), "{known}");
        }
        let directory = Url::parse("file:///srv/lake").unwrap();
        assert!(
            check(&directory, &one("aws_region")).is_err() && check(&directory, &BTreeMap::new()).is_ok()
        );
    }

    #[test]
    fn every_listed_name_is_one_that_the_store_takes() {
        assert!([S3, CLIENT].concat().iter().all(|name| name.parse::<AmazonS3ConfigKey>().is_ok()));
        assert!([AZURE, CLIENT].concat().iter().all(|name| name.parse::<AzureConfigKey>().is_ok()));
        assert!([GOOGLE, CLIENT].concat().iter().all(|name| name.parse::<GoogleConfigKey>().is_ok()));
    }
}
