"""What looks like an address to the model: labels with their numbers are told from places."""

import pytest

from redaction.names.addresses import is_address, rest_of_ordinal


@pytest.mark.parametrize(
    "text",
    [
        "IMEI 490154203237518, VIN",
        ", GPS 52.520008, 13",
        "Swish 070-123 45 67",
        "SIN 046 454 286",
        "Ihre Steuer-ID 65 929 970 489",
        "98765 43210, PAN ABCDE1234F, Aadhaar 2345 6789 0124",
        "PO 4500012345, SKU AB-1234-XL, Ticket 88231, Case 12345, Order 771, Invoice 2231, Room 12, Page 3",
        "RFC 9110, ISO 27001, CVE-2024-3094, IPv4, GPU A100, HPE 3PAR 8200, iOS 17",
        "41 91 463 38 96-Fax",
    ],
)
def test_labels_and_their_numbers_are_no_address(text: str) -> None:
    assert not is_address(text)


@pytest.mark.parametrize(
    "text",
    [
        "14B Adeola Odeku St",
        "Apt 4C, 221 W 29",
        "2767 40th Street",
        "Dorpsstraat 8",
        "ul. Marszałkowska 12/34",
        "New York, NY 10001",
        "12 Main Street Springfield IL 62701",
        "0681 213 Endeavour Lane Apt. 415",
        "221 BAKER STREET, LONDON NW1",
        "TR25 5DW",
        "N0R 1C0",
        "94120",
        "c/ Mayor 5, 3º B",
        "Via Capo le Case 60",
        "PO Box 1234",
        "Av. Paulista 1000, 01310-100 São Paulo",
        "1-1-1 Chiyoda",
    ],
)
def test_streets_places_and_postcodes_are(text: str) -> None:
    assert is_address(text)


@pytest.mark.parametrize(
    ("words", "rest"),
    [("29 th St ,", 2), ("40 th street", 2), ("3 rd floor", 1), ("Dorpsstraat 8", 0), ("8 ,", 0), ("th St", 0)],
)
def test_an_ordinal_is_taken_whole(words: str, rest: int) -> None:
    found = words.split()
    number = next((at for at, word in enumerate(found) if word.isdigit()), 0)
    assert rest_of_ordinal(found, number) == rest
