
# Backups in a storm of DDL: all are completed, and each is as of one moment.
# Nothing crashes, no DDL fails, no file is left behind.
#
# dev/torture runs this for longer: TORTURE_SECONDS for each of the
# configurations in TORTURE_CONFIGURATIONS.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Test::More;
use Torture;

torture($_, $ENV{TORTURE_SECONDS} || 15)
  for split / /, $ENV{TORTURE_CONFIGURATIONS} || 'default logical';
done_testing();
