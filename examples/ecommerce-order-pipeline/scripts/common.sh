# What the scripts share; it is sourced by them.
namespace=ecommerce tenant=acme-store
. "$(dirname "${BASH_SOURCE[0]}")/../../common.sh"

example=examples/ecommerce-order-pipeline
