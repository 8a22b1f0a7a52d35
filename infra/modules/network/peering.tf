# To networks of the same account. The other side's own configuration says what may come in; it accepts and routes back.
resource "aws_vpc_peering_connection" "this" {
  for_each    = var.peers
  vpc_id      = aws_vpc.this.id
  peer_vpc_id = each.value.vpc_id
  auto_accept = true

  tags = { Name = "${var.name}-${each.key}" }
}

resource "aws_route" "peer" {
  for_each = { for pair in setproduct(keys(var.peers), var.zones) : join(" ", pair) => { peer = pair[0], zone = pair[1] } }

  route_table_id            = aws_route_table.private[each.value.zone].id
  destination_cidr_block    = var.peers[each.value.peer].cidr
  vpc_peering_connection_id = aws_vpc_peering_connection.this[each.value.peer].id
}
