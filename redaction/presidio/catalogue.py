"""Names of the Presidio recognizers that a policy's `presidio:` list may enable; importing this needs no Presidio."""

from collections.abc import Iterable

SPACY = "spacy:"  # prefix of an installed spaCy pipeline (its name or its folder)

PREDEFINED = frozenset(
    f"{name}Recognizer"
    for name in """
    AbaRouting AuAbn AuAcn AuMedicare AuTfn CaPostalCode CaSin CreditCard Crypto Date DeBsnr DeFuehrerschein
    DeHandelsregister DeHealthInsurance DeIdCard DeKfz DeLanr DePassport DePlz DeSocialSecurity DeTaxId
    DeTaxNumber DeVatId Email EsNie EsNif EsPassport FiPersonalIdentityCode Iban InAadhaar InGstin InPan
    InPassport InVehicleRegistration InVoter Ip ItDriverLicense ItFiscalCode ItIdentityCard ItPassport KrBrn
    KrDriverLicense KrFrn KrPassport KrRrn MacAddress MedicalLicense NgNin NgVehicleRegistration Nhs PhPassport
    PhTin PhUmid Phone PlPesel SeOrganisationsnummer SePersonnummer SgFin SgUen ThTnin TrLicensePlate
    TrNationalId UkDrivingLicence UkNino UkPassport UkPostcode UkVehicleRegistration Url UsBank UsClaimNumber
    UsHealthInsuranceMemberId UsItin UsLicense UsMbi UsNpi UsPassport UsPrescriptionNumber
    UsPriorAuthorizationNumber UsProviderTaxId UsReferralNumber UsSsn Uuid ZaCompanyRegistration ZaDriverLicense
    ZaIdNumber ZaIncomeTaxNumber ZaLicensePlate ZaMobileNumber ZaPassport ZaTelephoneNumber
    ZaTrafficRegisterNumber ZaVatNumber
    """.split()  # noqa: SIM905 - a wall of quoted names is harder to read
) | {"ItVatCodeRecognizer"}


def unknown(names: Iterable[str]) -> list[str]:
    """Return the names that no recognizer has, in order."""
    return sorted(name for name in names if name not in PREDEFINED and not name.startswith(SPACY))
