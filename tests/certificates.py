"""Certificates for tests and measurements, made as docs/tls.md makes them, by the openssl command."""

import os
import subprocess


class Authority:
    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                      "-subj", f"/CN={name}", "-days", "2",
                      "-keyout", self.path("key"), "-out", self.path("pem"))

    def path(self, kind, node=""):
        return os.path.join(self.folder, f"{self.name}{node}.{kind}")

    def issue(self, node):
        """The flags of `node`, whose certificate and key are made, or made anew."""
        with open(self.path("ext", node), "w") as extensions:
            extensions.write(f"subjectAltName = DNS:{node}\n")
        self._openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                      "-subj", f"/CN={node}", "-keyout", self.path("newkey", node),
                      "-out", self.path("csr", node))
        self._openssl("x509", "-req", "-in", self.path("csr", node), "-CA", self.path("pem"),
                      "-CAkey", self.path("key"), "-CAcreateserial", "-days", "1",
                      "-extfile", self.path("ext", node), "-out", self.path("newpem", node))
        os.rename(self.path("newkey", node), self.path("key", node))
        os.rename(self.path("newpem", node), self.path("pem", node))
        return ["--tls-certificate", self.path("pem", node), "--tls-key", self.path("key", node),
                "--tls-ca", self.path("pem")]

    def _openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=60)
