from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError
from conftest import Cloud
from resources.description import Change, Description, Row, Sql, tags


def retag(cloud: Cloud, region: str, id: str) -> None:
    """From {a: 1, b: 2} to {a: other, c: 3}."""
    ec2 = cloud.client("ec2", region)
    ec2.delete_tags(Resources=[id], Tags=[{"Key": "b"}])
    pairs = [{"Key": "a", "Value": "other"}, {"Key": "c", "Value": "3"}]
    ec2.create_tags(Resources=[id], Tags=pairs)


def only(found: Any) -> Any:
    """The single one of a listing by id; None if AWS does not know the id."""
    try:
        answer = found()
    except ClientError as error:
        assert error.response["Error"]["Code"].endswith("NotFound"), error
        return None
    (name,) = (name for name in answer if name not in ("ResponseMetadata", "NextToken"))
    return answer[name][0] if answer[name] else None


def vpc(cloud: Cloud, region: str) -> Description:
    ec2 = cloud.client("ec2", region)

    def look(cloud: Cloud, row: Row) -> Row | None:
        ec2, id = cloud.client("ec2", row["region"]), row["vpc_id"]
        it = only(lambda: ec2.describe_vpcs(VpcIds=[id]))
        if it is None:
            return None

        def switch(name: str) -> bool:
            answer = ec2.describe_vpc_attribute(VpcId=id, Attribute=name)
            value: bool = answer[name[0].upper() + name[1:]]["Value"]
            return value

        return {
            "vpc_id": id,
            "cidr_block": it["CidrBlock"],
            "state": it["State"],
            "is_default": it["IsDefault"],
            "instance_tenancy": it["InstanceTenancy"],
            "enable_dns_support": switch("enableDnsSupport"),
            "enable_dns_hostnames": switch("enableDnsHostnames"),
            "tags": tags(it.get("Tags")),
        }

    def switch(row: Row, name: str, on: bool) -> None:
        ec2.modify_vpc_attribute(VpcId=row["vpc_id"], **{name: {"Value": on}})

    def enrich(cloud: Cloud, row: Row) -> None:
        id = row["vpc_id"]
        gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        ec2.attach_internet_gateway(VpcId=id, InternetGatewayId=gateway)
        ec2.associate_vpc_cidr_block(VpcId=id, CidrBlock="10.99.0.0/16")
        domain = [{"Key": "domain-name", "Values": ["example.com"]}]
        options = ec2.create_dhcp_options(DhcpConfigurations=domain)["DhcpOptions"]["DhcpOptionsId"]
        ec2.associate_dhcp_options(VpcId=id, DhcpOptionsId=options)

    def extras(cloud: Cloud, row: Row) -> object:
        id = row["vpc_id"]
        (it,) = ec2.describe_vpcs(VpcIds=[id])["Vpcs"]
        attached = [{"Name": "attachment.vpc-id", "Values": [id]}]
        gateways = ec2.describe_internet_gateways(Filters=attached)["InternetGateways"]
        ranges = sorted(each["CidrBlock"] for each in it["CidrBlockAssociationSet"])
        return it["DhcpOptionsId"], ranges, [each["InternetGatewayId"] for each in gateways]

    anew = ["CreateVpc", "DeleteVpc", "ModifyVpcAttribute"]
    return Description(
        rows={
            "full": {
                "cidr_block": "10.1.0.0/16",
                "instance_tenancy": "dedicated",
                "enable_dns_support": True,
                "enable_dns_hostnames": True,
                "tags": {"a": "1", "b": "2"},
            },
            "bare": {"cidr_block": "10.2.0.0/16"},
            "dark": {"cidr_block": "10.3.0.0/16", "enable_dns_support": False},
        },
        changes=[
            Change({"cidr_block": "10.11.0.0/16"}, anew),
            Change({"instance_tenancy": "default"}, anew),
            Change(
                {"enable_dns_hostnames": False},
                ["ModifyVpcAttribute"],
                lambda cloud, row: switch(row, "EnableDnsHostnames", False),
            ),
            Change(
                {"enable_dns_support": False},
                ["ModifyVpcAttribute"],
                lambda cloud, row: switch(row, "EnableDnsSupport", False),
                of="bare",
            ),
            Change(
                {"enable_dns_support": True, "enable_dns_hostnames": True},
                ["ModifyVpcAttribute", "ModifyVpcAttribute"],
                lambda cloud, row: (
                    switch(row, "EnableDnsSupport", True),
                    switch(row, "EnableDnsHostnames", True),
                ),
                of="dark",
            ),
            Change(
                {"tags": {"a": "other", "c": "3"}},
                ["CreateTags", "DeleteTags"],
                lambda cloud, row: retag(cloud, region, row["vpc_id"]),
            ),
        ],
        look=look,
        remove=lambda cloud, row: ec2.delete_vpc(VpcId=row["vpc_id"]),
        many=lambda number: {"cidr_block": f"10.{100 + number}.0.0/16"},
        named=False,
        enrich=enrich,
        extras=extras,
    )


def subnet(cloud: Cloud, region: str) -> Description:
    ec2 = cloud.client("ec2", region)

    def look(cloud: Cloud, row: Row) -> Row | None:
        ec2 = cloud.client("ec2", row["region"])
        it = only(lambda: ec2.describe_subnets(SubnetIds=[row["subnet_id"]]))
        return it and {
            "vpc_id": it["VpcId"],
            "cidr_block": it["CidrBlock"],
            "availability_zone": it["AvailabilityZone"],
            "subnet_id": it["SubnetId"],
            "subnet_arn": it["SubnetArn"],
            "state": it["State"],
            "available_ip_address_count": it["AvailableIpAddressCount"],
            "owner_id": it["OwnerId"],
            "default_for_az": it["DefaultForAz"],
            "map_public_ip_on_launch": it["MapPublicIpOnLaunch"],
            "tags": tags(it.get("Tags")),
        }

    def enrich(cloud: Cloud, row: Row) -> None:
        ec2.modify_subnet_attribute(
            SubnetId=row["subnet_id"], AssignIpv6AddressOnCreation={"Value": True}
        )

    def extras(cloud: Cloud, row: Row) -> object:
        (it,) = ec2.describe_subnets(SubnetIds=[row["subnet_id"]])["Subnets"]
        return it["AssignIpv6AddressOnCreation"]

    def parent(cidr: str) -> Sql:
        return Sql(f"(SELECT id FROM vpc WHERE cidr_block = '{cidr}' AND region = '{region}')")

    anew = ["CreateSubnet", "DeleteSubnet", "ModifySubnetAttribute"]
    return Description(
        rows={
            "full": {
                "vpc_id": parent("10.1.0.0/16"),
                "cidr_block": "10.1.1.0/24",
                "availability_zone": f"{region}b",
                "map_public_ip_on_launch": True,
                "tags": {"a": "1", "b": "2"},
            },
            "bare": {"vpc_id": parent("10.1.0.0/16"), "cidr_block": "10.1.2.0/24"},
        },
        changes=[
            Change({"vpc_id": parent("10.1.0.0/20")}, anew),
            # Overlaps with what it was.
            Change({"cidr_block": "10.1.1.0/25"}, anew),
            Change({"availability_zone": f"{region}a"}, anew),
            Change(
                {"map_public_ip_on_launch": False},
                ["ModifySubnetAttribute"],
                lambda cloud, row: ec2.modify_subnet_attribute(
                    SubnetId=row["subnet_id"], MapPublicIpOnLaunch={"Value": False}
                ),
            ),
            Change(
                {"tags": {"a": "other", "c": "3"}},
                ["CreateTags", "DeleteTags"],
                lambda cloud, row: retag(cloud, region, row["subnet_id"]),
            ),
        ],
        look=look,
        remove=lambda cloud, row: ec2.delete_subnet(SubnetId=row["subnet_id"]),
        many=lambda number: {
            "vpc_id": parent("10.1.0.0/16"),
            "cidr_block": f"10.1.{100 + number}.0/24",
        },
        parents=[
            f"INSERT INTO vpc (cidr_block, region) VALUES ('{cidr}', '{region}')"
            for cidr in ("10.1.0.0/16", "10.1.0.0/20")
        ],
        enrich=enrich,
        extras=extras,
    )


TABLES = {"vpc": vpc, "subnet": subnet}
