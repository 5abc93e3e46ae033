#include "cli/cli.h"

int main(int argc, char** argv) { return gyre::CliMain(argc, argv); }
