// For tests: authorities, certificates and keys, made in memory and written to files of a folder
// that goes with the test.
#pragma once

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>

#include "net/tls_context.h"

namespace gyre {

class TestAuthority {
 public:
  explicit TestAuthority(const std::string& name = "ca")
      : name_(name), key_(EVP_EC_gen("P-256"), EVP_PKEY_free) {
    certificate_ = Make(name_, key_.get(), /*valid_seconds=*/3600);
    WritePem("ca.pem", certificate_.get(), nullptr);
  }
  // Files of a node: its certificate, valid for so long from now, its key, and this authority.
  TlsFiles For(const std::string& node, long valid_seconds = 3600) {
    const Key key(EVP_EC_gen("P-256"), EVP_PKEY_free);
    const Certificate certificate = Make(node, key.get(), valid_seconds);
    WritePem(node + ".pem", certificate.get(), nullptr);
    WritePem(node + ".key", nullptr, key.get());
    return {Path(node + ".pem"), Path(node + ".key"), Path("ca.pem")};
  }
  std::shared_ptr<TlsContext> Context(const std::string& node, long valid_seconds = 3600) {
    return TlsContext::Load(For(node, valid_seconds), nullptr).value();
  }
  std::string Path(const std::string& file) const { return folder_.path + "/" + file; }

 private:
  using Key = std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)>;
  using Certificate = std::unique_ptr<X509, void (*)(X509*)>;

  struct Folder {
    Folder() {
      path = std::filesystem::temp_directory_path() / "gyre-tls-XXXXXX";
      EXPECT_NE(mkdtemp(path.data()), nullptr);
    }
    ~Folder() { std::filesystem::remove_all(path); }
    std::string path;
  };

  Certificate Make(const std::string& node, EVP_PKEY* key, long valid_seconds) {
    Certificate made(X509_new(), X509_free);
    X509* const raw = made.get();
    X509_set_version(raw, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(raw), ++serial_);
    X509_gmtime_adj(X509_getm_notBefore(raw), -7200);
    X509_gmtime_adj(X509_getm_notAfter(raw), valid_seconds);
    X509_set_pubkey(raw, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(raw), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(node.c_str()), -1, -1, 0);
    const X509* const issuer = certificate_ != nullptr ? certificate_.get() : raw;
    X509_set_issuer_name(raw, X509_get_subject_name(issuer));
    const std::string names = "DNS:" + node;
    Extend(raw, certificate_ != nullptr ? NID_subject_alt_name : NID_basic_constraints,
           certificate_ != nullptr ? names.c_str() : "critical,CA:TRUE");
    EXPECT_GT(X509_sign(raw, key_.get(), EVP_sha256()), 0);
    return made;
  }
  static void Extend(X509* certificate, int kind, const char* value) {
    X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, nullptr, kind, value);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
  }
  // Under another name first, as whoever renews a certificate should: no reader sees half of it.
  void WritePem(const std::string& file, X509* certificate, EVP_PKEY* key) const {
    const std::string path = Path(file);
    std::FILE* const out = std::fopen((path + ".new").c_str(), "w");
    if (certificate != nullptr) PEM_write_X509(out, certificate);
    if (key != nullptr) PEM_write_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr);
    std::fclose(out);
    std::filesystem::rename(path + ".new", path);
  }

  const std::string name_;
  Folder folder_;
  Key key_;
  Certificate certificate_{nullptr, X509_free};
  long serial_ = 0;
};

}  // namespace gyre
