"""Says which attributes of a data set describe the Patient, the Study and the Series.

Every instance carries all of them; a search at a level returns only what is true of its entity.
Source: PS3.3 C.7.1.1, C.7.2.1, C.7.2.2 (patient and study), C.7.3.1, C.7.5.1 (series); PS3.4
C.6.2.1 (keys), PS3.18 10.6.3.3.
"""

from pydicom.datadict import tag_for_keyword

_PATIENT_KEYWORDS = """
    PatientName PatientID IssuerOfPatientID IssuerOfPatientIDQualifiersSequence TypeOfPatientID
    OtherPatientIDs OtherPatientIDsSequence OtherPatientNames PatientBirthDate PatientBirthTime
    PatientSex PatientAddress PatientMotherBirthName PatientTelephoneNumbers PatientComments
    EthnicGroup QualityControlSubject PatientSpeciesDescription PatientSpeciesCodeSequence
    PatientBreedDescription PatientBreedCodeSequence ResponsiblePerson ResponsiblePersonRole
    ResponsibleOrganization PatientIdentityRemoved DeidentificationMethod
    DeidentificationMethodCodeSequence ReferencedPatientSequence CountryOfResidence
    RegionOfResidence PatientBirthName GroupOfPatientsIdentificationSequence
    SourcePatientGroupIdentificationSequence PatientBirthDateInAlternativeCalendar
    PatientDeathDateInAlternativeCalendar PatientAlternativeCalendar
    ReferencedPatientPhotoSequence StrainDescription StrainNomenclature StrainCodeSequence
    PatientInstitutionResidence PatientReligiousPreference PatientPrimaryLanguageCodeSequence
    MilitaryRank BranchOfService SpecialNeeds
"""

_STUDY_KEYWORDS = """
    PatientAge PatientSize PatientWeight PatientBodyMassIndex Occupation MedicalAlerts Allergies
    SmokingStatus PregnancyStatus LastMenstrualDate AdditionalPatientHistory PatientState
    PatientSexNeutered PatientSizeCodeSequence MeasuredAPDimension MeasuredLateralDimension
    StudyInstanceUID StudyDate StudyTime AccessionNumber IssuerOfAccessionNumberSequence StudyID
    StudyDescription ReferringPhysicianName ReferringPhysicianIdentificationSequence
    ConsultingPhysicianName PhysiciansOfRecord PhysiciansOfRecordIdentificationSequence
    NameOfPhysiciansReadingStudy PhysiciansReadingStudyIdentificationSequence
    RequestingServiceCodeSequence ReferencedStudySequence ProcedureCodeSequence
    ReasonForPerformedProcedureCodeSequence AdmittingDiagnosesDescription
    AdmittingDiagnosesCodeSequence ReasonForVisit ReasonForVisitCodeSequence AdmissionID
    IssuerOfAdmissionIDSequence ServiceEpisodeID ServiceEpisodeDescription
    ClinicalTrialSponsorName ClinicalTrialProtocolID ClinicalTrialProtocolName
    ClinicalTrialSiteID ClinicalTrialSiteName ClinicalTrialSubjectID
    ClinicalTrialSubjectReadingID ClinicalTrialTimePointID TimezoneOffsetFromUTC
    RequestingPhysician RequestedProcedureDescription RequestedProcedureCodeSequence
    StudyComments ConsultingPhysicianIdentificationSequence ReasonForTheRequestedProcedure
    ReasonForRequestedProcedureCodeSequence ConsentForClinicalTrialUseSequence
"""

_SERIES_KEYWORDS = """
    Modality SeriesInstanceUID SeriesNumber SeriesDate SeriesTime SeriesDescription
    SeriesDescriptionCodeSequence Laterality BodyPartExamined AnatomicRegionSequence
    PatientPosition ProtocolName PerformingPhysicianName
    PerformingPhysicianIdentificationSequence OperatorsName OperatorIdentificationSequence
    ReferencedPerformedProcedureStepSequence RelatedSeriesSequence RequestAttributesSequence
    PerformedProcedureStepID PerformedProcedureStepStartDate PerformedProcedureStepStartTime
    PerformedProcedureStepEndDate PerformedProcedureStepEndTime PerformedProcedureStepDescription
    PerformedProtocolCodeSequence CommentsOnThePerformedProcedureStep TreatmentSessionUID
    FrameOfReferenceUID PositionReferenceIndicator SynchronizationFrameOfReferenceUID
    Manufacturer InstitutionName InstitutionAddress InstitutionCodeSequence
    InstitutionalDepartmentName InstitutionalDepartmentTypeCodeSequence StationName StationAETitle
    ManufacturerModelName DeviceSerialNumber SoftwareVersions SpatialResolution DeviceUID
    UDISequence GantryID DateOfLastCalibration TimeOfLastCalibration
    ClinicalTrialSeriesID ClinicalTrialSeriesDescription ClinicalTrialCoordinatingCenterName
"""


def _tags(keywords: str) -> frozenset[str]:
    tags = {keyword: tag_for_keyword(keyword) for keyword in keywords.split()}
    assert None not in tags.values(), [key for key, tag in tags.items() if tag is None]
    return frozenset(f"{tag:08X}" for tag in tags.values())


PATIENT_TAGS = _tags(_PATIENT_KEYWORDS)
# Studies have those of their patients too.
STUDY_TAGS = PATIENT_TAGS | _tags(_STUDY_KEYWORDS)
SERIES_TAGS = _tags(_SERIES_KEYWORDS)
